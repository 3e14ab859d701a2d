import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A document of the project. Paths are from the root of the project, with "/". */
export type Document = { readonly path: string; readonly text: string };

/** A part of the navigation; `pages` are paths, in reading order. "packaging/*" stands for all others there, by name. */
export type Section = { readonly title: string; readonly pages: readonly string[] };

/** By task, from the first installation to the reasons behind the code. Every document for users is named here, which a test checks. */
export const sections: readonly Section[] = [
  { title: "Start", pages: ["README.md", "docs/getting-started.md"] },
  {
    title: "Ways to install it",
    pages: [
      "packaging/charts/flux-operator/README.md",
      "packaging/charts/flux-instance/README.md",
      "packaging/timoni/flux-operator/README.md",
      "packaging/timoni/flux-instance/README.md",
      "packaging/terraform/README.md",
      "packaging/npm/pulumi/README.md",
      "packaging/*",
      "docs/olm.md",
    ],
  },
  { title: "Move to it", pages: ["docs/migrate.md", "docs/adoption.md"] },
  {
    title: "Run it",
    pages: [
      "docs/upgrades.md",
      "docs/digests.md",
      "docs/preflight.md",
      "docs/multi-tenancy.md",
      "docs/scaling.md",
      "docs/scale.md",
      "docs/monitoring.md",
      "docs/notifications.md",
      "docs/uninstall.md",
    ],
  },
  {
    title: "Where it runs",
    pages: ["docs/marketplaces.md", "docs/registries.md", "docs/air-gap.md", "docs/verification.md", "docs/fips.md"],
  },
  { title: "When something is wrong", pages: ["docs/troubleshooting.md", "docs/logs.md", "docs/faults.md"] },
  { title: "Reference", pages: ["docs/api.md", "docs/cli.md", "docs/metrics.md", "docs/security.md", "CHANGELOG.md"] },
  { title: "Design", pages: ["ARCHITECTURE.md", "docs/decisions/*"] },
  { title: "Change it", pages: ["CONTRIBUTING.md", "AGENTS.md", "docs/importing-a-release.md", "docs/releasing.md"] },
];

/** Every Markdown file for users and developers. */
export function readDocuments(root: string): readonly Document[] {
  const inFolders = ["docs", "packaging"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(root.length + 1))
      .filter((path) => !path.split("/").includes("node_modules")),
  );
  return [...readdirSync(root), ...inFolders]
    .filter((path) => path.endsWith(".md"))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

/** The section's pages among `documents`, in order. */
export function pagesOf({ pages }: Section, documents: readonly Document[]): readonly Document[] {
  const found = pages.flatMap((page) => {
    if (!page.endsWith("/*")) return documents.filter(({ path }) => path === page);
    return documents.filter(({ path }) => path.startsWith(page.slice(0, -1)));
  });
  return [...new Set(found)];
}

/** Where the site has a document, without ".html": README.md is "index", docs/cli.md "cli", packaging/charts/x/README.md "charts/x". */
export function routeOf(path: string): string {
  if (path === "README.md") return "index";
  const route = path
    .replace(/^(docs|packaging)\//, "")
    .replace(/\/README\.md$/, "")
    .replace(/\.md$/, "");
  return path.includes("/") ? route : route.toLowerCase();
}

/** The first heading, without marks. */
export function titleOf({ path, text }: Document): string {
  const [, heading] = /^# (.*)$/m.exec(text) ?? [];
  if (heading === undefined) throw new Error(`${path} has no heading: begin it with "# "`);
  return heading.replaceAll("`", "");
}
