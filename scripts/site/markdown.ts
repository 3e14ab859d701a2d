import { posix } from "node:path";
import { routeOf, type Document } from "./pages.ts";

/** Blocks and spans of code, in which nothing is a link or a comment. */
const code = /^(`{3,})[^\n]*\n[\s\S]*?^\1$|`[^`\n]+`/gm;

/** `text` with `edit` applied to what is no code. */
export function editProse(text: string, edit: (prose: string) => string): string {
  let result = "";
  let at = 0;
  for (const match of text.matchAll(code)) {
    result += edit(text.slice(at, match.index)) + match[0];
    at = match.index + match[0].length;
  }
  return result + edit(text.slice(at));
}

/** What the links of a document lead to inside the project, as paths from its root, without anchors. */
export function linkedPaths({ path, text }: Document): readonly string[] {
  const found: string[] = [];
  editProse(text, (prose) => {
    for (const [, link = ""] of prose.matchAll(/\]\(([^)\s]+)\)/g))
      if (isInside(link)) found.push(targetOf(path, link));
    return prose;
  });
  return [...new Set(found)].filter((target) => target !== "");
}

/**
 * The document as the site has it: without comments, and with links to pages of the site. What is no document has a page that shows it,
 * below "source/".
 */
export function forSite({ path, text }: Document): string {
  const from = posix.dirname(routeOf(path));
  const relinked = (link: string): string => {
    if (!isInside(link)) return link;
    const [, anchor] = link.split("#");
    const target = targetOf(path, link);
    if (target === "") return link;
    const to = posix.relative(from, isPicture(target) ? target : `${pageOf(target)}.md`);
    return `${to.startsWith(".") ? to : `./${to}`}${anchor === undefined ? "" : `#${anchor}`}`;
  };
  // Beside a table of four columns there is no room for the list of headings.
  const header = /^\|(?:[^|\n]+\|){4,}$/m.test(text) ? "---\naside: false\n---\n\n" : "";
  const site = editProse(text, (prose) =>
    prose
      .replaceAll(/^<!--[^\n]*-->\n+/gm, "")
      .replaceAll(/\]\(([^)\s]+)\)/g, (_, link: string) => `](${relinked(link)})`),
  );
  return `${header}${site}`;
}

/** The route of the page for a path of the project, document or not. vitepress overlooks folders whose name begins with a dot. */
export function pageOf(path: string): string {
  return path.endsWith(".md") ? routeOf(path) : `source/${path.replaceAll(/(?<=^|\/)\./g, "")}`;
}

/** Pictures keep their path. */
export function isPicture(path: string): boolean {
  return path.endsWith(".svg");
}

function isInside(link: string): boolean {
  return !/^[a-z]+:/.test(link);
}

/** "" is the document itself. */
function targetOf(path: string, link: string): string {
  const [file = ""] = link.split("#");
  return file === "" ? "" : posix.normalize(posix.join(posix.dirname(path), file)).replace(/\/$/, "");
}
