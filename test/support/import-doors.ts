import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";

/** Rooms that each room may import, transitively closed (ARCHITECTURE.md). "controllers" stands for one controller folder. */
export const doors: { readonly [room: string]: readonly string[] } = {
  std: [],
  kube: ["std"],
  distribution: ["std", "kube"],
  api: ["std", "kube", "distribution"],
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

/** Inner rooms, and which of the same room each may import. "ground" are files beside the folders. */
export const innerDoors: {
  readonly [room: string]: { readonly [inner: string]: readonly string[] };
} = {
  "src/apply": {
    ground: [],
    adopt: ["ground"],
    health: ["ground"],
    remove: ["ground"],
    migrate: ["ground", "adopt"],
    write: ["ground", "adopt", "health"],
    plan: ["ground", "adopt", "migrate", "write"],
  },
  "src/controllers/flux-instance": {
    ground: [],
    wake: ["ground"],
    releases: ["ground"],
    decide: ["ground", "releases"],
    rights: [],
    preflight: ["ground", "rights"],
    remove: ["ground"],
    act: ["ground", "wake", "preflight", "remove"],
    conclude: ["ground", "act", "remove"],
    walks: ["ground", "wake", "releases", "decide", "preflight", "remove", "act", "conclude"],
  },
};

/** Files beside the folders that are not the ground but stand above all of them. */
const walks: ReadonlySet<string> = new Set(
  ["reconcile", "remove-instance", "leave-elsewhere", "rollback"].flatMap((name) => [
    `src/controllers/flux-instance/${name}.ts`,
    `src/controllers/flux-instance/${name}.test.ts`,
  ]),
);

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

/** All TypeScript files below `root`/`folder`, paths relative to `root` with forward slashes. */
export function readSources(root: string, folder = "src"): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(root, folder, name))
    .map((path) => ({ path: relative(root, path).split(sep).join("/"), text: readFileSync(path, "utf8") }));
}

/** Every broken rule of the house in `files`, one sentence each; empty when the house is in order. */
export function brokenDoors(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => [
    ...brokenImports(file),
    ...brokenInnerDoors(file),
    ...brokenPurity(file),
    ...brokenForm(file),
  ]);
}

/**
 * Every circle of imports in `files`, one sentence each: of files, and, at each folder, of what lies in it (a folder there stands for all that
 * it holds). A type import counts as any other.
 */
export function circles(files: readonly SourceFile[]): string[] {
  const edges = files.flatMap(({ path, text }) => targetsOf(path, text).map((target): Edge => [path, target]));
  const folders = new Set(files.flatMap(({ path }) => foldersOf(path)));
  const ofFiles = circlesOf(edges).map((names) => `files import each other: ${names.join(", ")}`);
  const within = [...folders].toSorted().flatMap((folder) => {
    const inside = edges.filter((edge) => edge.every((path) => path.startsWith(`${folder}/`)));
    const drawn = inside.map(([from, to]): Edge => [childOf(folder, from), childOf(folder, to)]);
    return circlesOf(drawn).map((names) => `in ${folder}, these import each other: ${names.join(", ")}`);
  });
  return [...ofFiles, ...within];
}

type Edge = readonly [from: string, to: string];

/** Names that reach each other, sorted: where a name reaches itself by way of another. */
function circlesOf(edges: readonly Edge[]): readonly (readonly string[])[] {
  const next = Map.groupBy(
    edges.filter(([from, to]) => from !== to),
    ([from]) => from,
  );
  const reached = new Map([...next.keys()].map((name) => [name, reach(name, next)]));
  const found = [...next.keys()]
    .filter((name) => reached.get(name)?.has(name) === true)
    .map((name) => [...(reached.get(name) ?? [])].filter((other) => reached.get(other)?.has(name) === true).toSorted());
  return [...new Map(found.map((names) => [names.join(), names])).values()];
}

function reach(start: string, next: ReadonlyMap<string, readonly Edge[]>): ReadonlySet<string> {
  const seen = new Set<string>();
  const ahead = [start];
  for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
    for (const [, to] of next.get(name) ?? []) {
      if (seen.has(to)) continue;
      seen.add(to);
      ahead.push(to);
    }
  }
  return seen;
}

function foldersOf(path: string): string[] {
  const names = path.split("/").slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
}

function childOf(folder: string, path: string): string {
  return path.slice(folder.length + 1).split("/")[0] ?? "";
}

/** What a file imports by a relative path, as paths from the root. */
function targetsOf(path: string, text: string): string[] {
  return specifiers(text)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) =>
      relative(resolve("."), resolve(dirname(path), specifier))
        .split(sep)
        .join("/"),
    );
}

function brokenInnerDoors({ path, text }: SourceFile): string[] {
  return Object.entries(innerDoors).flatMap(([room, inner]) => {
    if (!path.startsWith(`${room}/`)) return [];
    const own = innerRoomOf(room, path);
    const allowed = inner[own];
    if (allowed === undefined) return [`${path}: ${own} is not an inner room of ${room}`];
    return targetsOf(path, text)
      .filter((target) => target.startsWith(`${room}/`))
      .filter((target) => innerRoomOf(room, target) !== own && !allowed.includes(innerRoomOf(room, target)))
      .map((target) => `${path}: inner room ${own} of ${room} may not import ${target}`);
  });
}

function innerRoomOf(room: string, path: string): string {
  const [first = "", ...rest] = path.slice(room.length + 1).split("/");
  if (rest.length > 0) return first;
  return walks.has(path) ? "walks" : "ground";
}

function brokenImports(file: SourceFile): string[] {
  const room = roomOf(file.path);
  const allowed = doors[room.name];
  if (allowed === undefined) return [`${file.path}: ${room.name} is not a room of the house`];
  return targetsOf(file.path, file.text).flatMap((target) => {
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
