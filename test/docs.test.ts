import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { canonicalInstance } from "../src/api/canonical.ts";
import { parseFluxInstance } from "../src/api/flux-instance.ts";
import { eventReasons, legalReasons } from "../src/api/reasons.ts";
import { fieldsOf } from "../src/kube/fields.ts";
import type { JsonObject } from "../src/kube/object.ts";
import { errorMessage } from "../src/std/errors.ts";
import { parseKubeYamlDocuments } from "../src/std/yaml.ts";
import { anchorOf } from "../scripts/site/anchors.ts";
import { readDocuments } from "../scripts/site/pages.ts";
import { docBlocks, isShell, type DocBlock } from "./support/doc-blocks.ts";
import { runInProcess } from "./support/run-cli.ts";

const root = join(import.meta.dirname, "..");

/** What is for users and developers. */
const documents = readDocuments(root);

/** The text without blocks and spans of code, in which brackets are no links. */
function prose(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");
}

function anchorsOf(text: string): ReadonlySet<string> {
  const headings = text.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ (.*)$/gm);
  return new Set([...headings].map(([, heading = ""]) => anchorOf(heading)));
}

test("every link of a document leads to a file, and to a heading in it", () => {
  const broken = documents.flatMap(({ path, text }) =>
    [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) => {
      if (/^[a-z]+:/.test(link)) return [];
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : normalize(join(dirname(path), file));
      if (!existsSync(join(root, target))) return [`${path}: ${link}: there is no ${target}`];
      if (anchor === undefined || !target.endsWith(".md")) return [];
      const found = anchorsOf(readFileSync(join(root, target), "utf8")).has(anchor);
      return found ? [] : [`${path}: ${link}: ${target} has no heading #${anchor}`];
    }),
  );
  assert.deepEqual(broken, []);
});

type Block = DocBlock & { readonly path: string };

const blocks: readonly Block[] = documents.flatMap(({ path, text }) =>
  docBlocks(text).map((block) => Object.assign(block, { path })),
);

/** The instance around what a document shows of one. */
function completed({ apiVersion, kind, metadata, spec }: JsonObject): JsonObject {
  const { distribution, ...others } = fieldsOf(spec);
  return {
    apiVersion: apiVersion ?? "fluxcd.controlplane.io/v1",
    kind: kind ?? "FluxInstance",
    metadata: metadata ?? { name: "flux", namespace: "flux-system" },
    spec: { distribution: { version: "2.x", registry: "ghcr.io/fluxcd", ...fieldsOf(distribution) }, ...others },
  };
}

/** Where only `verify` is shown, it is that of `spec.distribution`. */
function withVerify({ verify, ...shown }: JsonObject): JsonObject {
  if (verify === undefined) return shown;
  return { ...shown, spec: { distribution: { artifact: "oci://registry.example.com/manifests:latest", verify } } };
}

test("every piece of a FluxInstance in a document is one that the API server takes", () => {
  const refused = blocks
    .filter(({ language }) => language === "yaml")
    .flatMap(({ path, content }) =>
      parseKubeYamlDocuments(content).flatMap((shown) => {
        const { kind, spec } = withVerify(fieldsOf(shown));
        if (kind !== "FluxInstance" && (kind !== undefined || spec === undefined)) return [];
        try {
          canonicalInstance(parseFluxInstance(completed(withVerify(fieldsOf(shown)))));
          return [];
        } catch (error) {
          return [`${path}: ${errorMessage(error)}\n${content}`];
        }
      }),
    );
  assert.deepEqual(refused, []);
});

/** Lines of shell, continued lines joined, and comments aside. */
const commands: readonly (Pick<Block, "path"> & { readonly line: string })[] = blocks
  .filter(isShell)
  .flatMap(({ path, content }) =>
    content
      .replaceAll(/\\\n\s*/g, " ")
      .split("\n")
      .map((line) => ({
        path,
        line: line
          .replace(/^\$ /, "")
          .replace(/\s#.*$/, "")
          .trim(),
      })),
  );

test("every npm script that a document runs exists", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object };
  const inTables = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/`(npm run [^`]+)`/g)].map(([, line = ""]) => ({ path, line })),
  );
  const missing = [...commands, ...inTables].flatMap(({ path, line }) =>
    [...line.matchAll(/npm run ([\w:-]+)/g)].flatMap(([, name = ""]) => (name in scripts ? [] : [`${path}: ${name}`])),
  );
  assert.deepEqual(missing, []);
});

test("every file of the project that a command names exists", () => {
  const missing = commands.flatMap(({ path, line }) =>
    [...line.matchAll(/(?<=^|[\s=])((?:packaging|examples|scripts|bin|docs|test)\/[\w./-]+)/g)].flatMap(
      ([, file = ""]) => (existsSync(join(root, file)) ? [] : [`${path}: ${file}`]),
    ),
  );
  assert.deepEqual(missing, []);
});

test("every command of bin/flux-operator that a document shows has the flags that it shows", async () => {
  const wrong: string[] = [];
  for (const { path, line } of commands) {
    const [, shown] =
      /(?:^|\s)(?:bin\/)?flux-operator ((?:build|diff|wait|delete|list|get|distro)\b.*)$/.exec(line) ?? [];
    if (shown === undefined) continue;
    const words = shown.split(/\s+[|>].*$/)[0]?.split(/\s+/) ?? [];
    const { exitCode, stdout } = await runInProcess([...words.slice(0, 2), "--help"]);
    const flags = words.filter((word) => word.startsWith("-")).map((word) => word.split("=")[0] ?? "");
    const unknown = flags.filter((flag) => !new RegExp(`(^|[\\s,])${flag}[\\s,]`, "m").test(stdout));
    if (exitCode !== 0 || unknown.length > 0) wrong.push(`${path}: ${line}: ${unknown.join(", ") || stdout}`);
  }
  assert.deepEqual(wrong, []);
});

test("docs/troubleshooting.md has a row for each reason that a condition or an event can have, and no other", () => {
  const { text = "" } = documents.find(({ path }) => path === "docs/troubleshooting.md") ?? {};
  const sections = new Map(text.split(/^## /m).map((section) => [section.split("\n")[0] ?? "", section]));
  const rowsOf = (section: string): string[] =>
    [...(sections.get(section) ?? "").matchAll(/^\| (?:(\w+) \| )?`(\w+)` \|/gm)].map(([, first = "", reason = ""]) =>
      `${first} ${reason}`.trim(),
    );
  const legal: { readonly [type: string]: { readonly [status: string]: readonly string[] } } = legalReasons;
  const byStatus = (type: string): string[] =>
    Object.entries(legal[type] ?? {}).flatMap(([status, list]) => list.map((reason) => `${status} ${reason}`));
  const byType = (...types: readonly string[]): string[] =>
    types.flatMap((type) => (legal[type]?.["True"] ?? []).map((reason) => `${type} ${reason}`));
  const want = {
    Ready: byStatus("Ready"),
    "Reconciling and Stalled": byType("Reconciling", "Stalled"),
    UpToDate: byStatus("UpToDate"),
    Synced: byStatus("Synced"),
    "Unattended and Warning": byType("Unattended", "Warning"),
    "Events that are no reasons of conditions": Object.values(eventReasons),
  };
  const have = Object.fromEntries(Object.keys(want).map((section) => [section, rowsOf(section).toSorted()]));
  assert.deepEqual(
    have,
    Object.fromEntries(Object.entries(want).map(([section, rows]) => [section, [...rows].toSorted()])),
  );
});
