import { execFile } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { forSite, isPicture, linkedPaths, pageOf } from "./markdown.ts";
import { pagesOf, readDocuments, routeOf, sections, titleOf, type Document } from "./pages.ts";
import { vitepressModules } from "./vitepress.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

export type SiteOptions = {
  /** What is in it is replaced. */
  readonly out: string;
  /** The path below which a server has the site: "/", or "/name/". */
  readonly base: string;
};

/** Builds the site from the documents of the project. Throws with vitepress's words where a link leads nowhere. */
export async function buildSite({ out, base }: SiteOptions, signal: AbortSignal): Promise<void> {
  const modules = await vitepressModules(signal);
  const stage = await mkdtemp(join(tmpdir(), "site-"));
  try {
    await symlink(modules, join(stage, "node_modules"));
    const documents = readDocuments(root);
    for (const document of documents) await writePage(stage, routeOf(document.path), forSite(document));
    for (const path of shownSources(documents)) {
      if (isPicture(path)) await cp(join(root, path), join(stage, path), { recursive: true });
      else await writePage(stage, pageOf(path), sourcePage(path));
    }
    await writeTheme(stage, { out, base, documents });
    const vitepress = join(modules, "vitepress/bin/vitepress.js");
    await run(process.execPath, [vitepress, "build", stage], { signal, maxBuffer: 64 * 1024 * 1024 });
  } finally {
    await rm(stage, { recursive: true });
  }
}

async function writePage(stage: string, route: string, text: string): Promise<void> {
  const file = join(stage, `${route}.md`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

/** What the documents link to and is no document; of a folder, what is directly in it, too. */
function shownSources(documents: readonly Document[]): readonly string[] {
  const linked = new Set(documents.flatMap(linkedPaths).filter((path) => !path.endsWith(".md")));
  return [...linked.union(new Set([...linked].filter(isFolder).flatMap(filesIn)))];
}

function isFolder(path: string): boolean {
  return statSync(join(root, path)).isDirectory();
}

/** The files in a folder that are no documents. */
function filesIn(folder: string): readonly string[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".md"))
    .map(({ name }) => `${folder}/${name}`);
}

/** Above this a page shows plain text: colours of a CRD are megabytes of HTML. */
const colouredBytes = 20_000;

/** The page of a file of the project, or of a folder, as text; the search leaves it out. */
function sourcePage(path: string): string {
  const header = `---\nsearch: false\naside: false\n---\n\n# ${path}\n\n`;
  if (isFolder(path)) return `${header}${folderList(path)}`;
  const text = readFileSync(join(root, path), "utf8");
  const language = text.length > colouredBytes ? "txt" : extname(path).slice(1) || "txt";
  return `${header}\`\`\`\`${language}\n${text.trimEnd()}\n\`\`\`\`\n`;
}

function folderList(folder: string): string {
  const names = readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
  const up = "../".repeat(pageOf(folder).split("/").length - 1);
  return names.map((name) => `- [${name}](./${up}${pageOf(`${folder}/${name}`)}.md)\n`).join("");
}

type Theme = SiteOptions & { readonly documents: readonly Document[] };

async function writeTheme(stage: string, { out, base, documents }: Theme): Promise<void> {
  const folder = join(stage, ".vitepress");
  await mkdir(join(folder, "theme"), { recursive: true });
  await cp(join(import.meta.dirname, "style.css"), join(folder, "theme/style.css"));
  // Without the fonts that the theme would bring: those of the reader's machine are there already.
  const theme = 'import theme from "vitepress/theme-without-fonts";\nimport "./style.css";\nexport default theme;\n';
  await writeFile(join(folder, "theme/index.js"), theme);
  const config = JSON.stringify({
    title: "Flux operator",
    description: "Installs, configures, upgrades and removes Flux CD from one object",
    base,
    outDir: out,
    lang: "en",
    metaChunk: true,
    themeConfig: {
      outline: { level: [2, 3] },
      sidebar: sections.map((section) => ({
        text: section.title,
        collapsed: section.title === "Design" || section.title === "Change it",
        items: pagesOf(section, documents).map((page) => ({ text: labelOf(page), link: `/${routeOf(page.path)}` })),
      })),
    },
  });
  await writeFile(
    join(folder, "config.mjs"),
    `import { anchorOf } from ${urlOf("anchors.ts")};\n` +
      `import { nameColumns } from ${urlOf("columns.ts")};\n` +
      `const markdown = { html: false, anchor: { slugify: anchorOf }, config: nameColumns };\n` +
      // Who looks for a reason wants to know what to do.
      `const boostDocument = (page) => (page.includes("troubleshooting") ? 3 : 1);\n` +
      `const config = ${config};\n` +
      `config.themeConfig.search = { provider: "local", options: { miniSearch: { searchOptions: { boostDocument } } } };\n` +
      `export default { ...config, markdown };\n`,
  );
}

/** The address of a module beside this one, as a literal. */
function urlOf(file: string): string {
  return JSON.stringify(pathToFileURL(join(import.meta.dirname, file)).href);
}

/** In these folders all tools name their parts alike. */
const tools = { "packaging/charts/": "Helm", "packaging/timoni/": "Timoni" };

function labelOf(document: Document): string {
  if (document.path === "README.md") return "Overview";
  const [, tool] = Object.entries(tools).find(([folder]) => document.path.startsWith(folder)) ?? [];
  return tool === undefined ? titleOf(document) : `${tool}: ${titleOf(document)}`;
}
