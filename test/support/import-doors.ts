import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";

/** Rooms that each room may import, transitively closed (ARCHITECTURE.md). "controllers" stands for one controller folder. */
export const doors: { readonly [room: string]: readonly string[] } = {
  std: [],
  kube: ["std"],
  api: ["std", "kube"],
  distribution: ["std", "kube"],
  patch: ["std", "kube"],
  render: ["std", "kube", "api", "distribution", "patch"],
  oci: ["std"],
  client: ["std", "kube"],
  runtime: ["std", "kube", "client"],
  apply: ["std", "kube", "client"],
  controllers: ["std", "kube", "api", "distribution", "patch", "render", "oci", "client", "runtime", "apply"],
  cli: ["std", "kube", "api", "distribution", "patch", "render", "oci", "client", "apply"],
  operator: [
    "std",
    "kube",
    "api",
    "distribution",
    "patch",
    "render",
    "oci",
    "client",
    "runtime",
    "apply",
    "controllers",
  ],
};

/** Rooms without I/O, clock or chance, and the files in them that are exempt, each with its reason. */
export const pureRooms = ["std", "kube", "api", "distribution", "patch", "render"];
export const impureFiles: { readonly [file: string]: string } = {
  "src/std/clock.ts": "the one place that reads the clock",
  "src/distribution/load.ts": "reads the embedded data from disk",
};

/** The one file that looks out of src/: the version stands in package.json alone. */
const versionFile = "src/std/version.ts";

/** Node modules that a pure room may import: they compute and do nothing else. */
const pureBuiltins = new Set(["node:crypto", "node:zlib", "node:util", "node:buffer"]);
const impureGlobals =
  /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout|setInterval|fetch|process\.)\(?/;

export type SourceFile = { readonly path: string; readonly text: string };

/** All TypeScript files below `root`/src, paths relative to `root` with forward slashes. */
export function readSources(root: string): SourceFile[] {
  return readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(root, "src", name))
    .map((path) => ({ path: relative(root, path).split(sep).join("/"), text: readFileSync(path, "utf8") }));
}

/** Every broken rule of the house in `files`, one sentence each; empty when the house is in order. */
export function brokenDoors(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => [...brokenImports(file), ...brokenPurity(file), ...brokenForm(file)]);
}

function brokenImports(file: SourceFile): string[] {
  const room = roomOf(file.path);
  const allowed = doors[room.name];
  if (allowed === undefined) return [`${file.path}: ${room.name} is not a room of the house`];
  return specifiers(file.text).flatMap((specifier) => {
    if (!specifier.startsWith(".")) return [];
    const target = relative(resolve("."), resolve(dirname(file.path), specifier))
      .split(sep)
      .join("/");
    if (target.startsWith("test/support/") && file.path.endsWith(".test.ts")) return [];
    if (target === "package.json" && file.path === versionFile) return [];
    if (!target.startsWith("src/")) return [`${file.path}: imports ${target}, which is outside src/`];
    const other = roomOf(target);
    if (other.name === room.name && other.controller === room.controller) return [];
    if (other.name === room.name) return [`${file.path}: imports its sibling controller ${target}`];
    if (allowed.includes(other.name)) return [];
    return [`${file.path}: room ${room.name} may not import ${target}`];
  });
}

function brokenPurity(file: SourceFile): string[] {
  if (!pureRooms.includes(roomOf(file.path).name) || file.path.endsWith(".test.ts")) return [];
  if (impureFiles[file.path] !== undefined) return [];
  const builtins = specifiers(file.text)
    .filter((specifier) => specifier.startsWith("node:") && !pureBuiltins.has(specifier))
    .map((specifier) => `${file.path}: a pure room may not import ${specifier}`);
  const used = impureGlobals.exec(file.text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, ""));
  return used === null ? builtins : [...builtins, `${file.path}: a pure room may not use ${used[1]}`];
}

function brokenForm(file: SourceFile): string[] {
  const broken: string[] = [];
  if (file.path.endsWith("/index.ts")) broken.push(`${file.path}: barrels hide doors; import the file itself`);
  if (/^export default\b/m.test(file.text)) broken.push(`${file.path}: default exports have no name to search for`);
  if (/process\.env/.test(file.text) && file.path !== "src/operator/config.ts" && !file.path.endsWith(".test.ts")) {
    broken.push(`${file.path}: the environment is read in src/operator/config.ts and src/cli/ only`);
  }
  return file.path.startsWith("src/cli/") ? broken.filter((line) => !line.includes("the environment")) : broken;
}

function roomOf(path: string): { name: string; controller: string } {
  const [, name = "", controller = ""] = path.split("/");
  return { name, controller: name === "controllers" ? controller : "" };
}

function specifiers(text: string): string[] {
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*)["']([^"']+)["']/g;
  return [...text.matchAll(pattern)].map((match) => match[1] ?? "");
}
