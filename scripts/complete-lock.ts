/**
 * Makes of the package-lock.json that `npm install` writes one that `npm ci` takes everywhere and without a warning; with `--check` it only tells.
 *
 * Packages for other platforms are added that npm leaves out when the registry at hand does not have them: `npm ci` refuses a lock without
 * them, although it would not install them. The `engines` of packages are dropped: npm compares them with the Node that it runs on itself,
 * where 20 is enough, and all our code runs on the Node that it installs. That one is held to them here.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { satisfies } from "semver";

type Package = {
  readonly version?: string;
  readonly engines?: { readonly node?: string };
  readonly dev?: boolean;
  readonly license?: string;
  readonly optionalDependencies?: { readonly [name: string]: string };
};
type Lock = { readonly packages: { readonly [path: string]: Package & { readonly [field: string]: unknown } } };

const root = join(import.meta.dirname, "..");
const path = join(root, "package-lock.json");
const lock: Lock = JSON.parse(readFileSync(path, "utf8"));
const missing = Object.values(lock.packages).flatMap((owner) =>
  Object.entries(owner.optionalDependencies ?? {})
    .filter(([name]) => lock.packages[`node_modules/${name}`] === undefined)
    .map(([name, version]) => [`node_modules/${name}`, entryOf(name, version, owner)] as const),
);
const packages = Object.entries({ ...lock.packages, ...Object.fromEntries(missing) })
  .map(([place, entry]) => [place, place === "" ? entry : withoutEngines(entry)] as const)
  .toSorted(([left], [right]) => (left < right ? -1 : 1));
const wanted = `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, undefined, 2)}\n`;
const isStale = wanted !== readFileSync(path, "utf8");

for (const place of Object.keys(lock.packages).filter((name) => name !== "")) {
  const range = engineOf(place);
  if (range === undefined || satisfies(process.versions.node, range)) continue;
  console.error(`${place} needs Node ${range}, and the one that runs it is ${process.versions.node}`);
  process.exitCode = 1;
}
if (process.argv.includes("--check")) {
  if (isStale)
    console.error("package-lock.json is as npm wrote it: run node_modules/.bin/node scripts/complete-lock.ts");
  if (isStale) process.exitCode = 1;
} else {
  writeFileSync(path, wanted);
  console.log(`package-lock.json: ${isStale ? "changed" : "fine as it is"}`);
}

/** The Node that an installed package says it needs; undefined where it says nothing or is not installed on this platform. */
function engineOf(place: string): string | undefined {
  const manifest = join(root, place, "package.json");
  if (!existsSync(manifest)) return undefined;
  const { engines }: Package = JSON.parse(readFileSync(manifest, "utf8"));
  return engines?.node;
}

function withoutEngines(entry: Package): Package {
  const { engines: _, ...rest } = entry;
  return rest;
}

/** "@oxfmt/binding-linux-arm-gnueabihf": the name ends in system, processor and C library. Checksums are not known here. */
function entryOf(name: string, version: string, owner: Package): { readonly [field: string]: unknown } {
  const [os = "", cpu = "", abi = ""] = name.replace(/^.*\/(?:binding-)?/, "").split("-");
  const libc = abi.startsWith("musl") ? ["musl"] : ["glibc"];
  return {
    version,
    cpu: [cpu],
    ...(owner.dev === true ? { dev: true } : {}),
    ...(os === "linux" && abi !== "" ? { libc } : {}),
    ...(owner.license === undefined ? {} : { license: owner.license }),
    optional: true,
    os: [os],
  };
}
