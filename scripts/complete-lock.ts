/**
 * Adds to package-lock.json the packages for other platforms that npm leaves out when the registry at hand does not have them: `npm ci`
 * refuses a lock without them, although it would not install them. Run it after `npm install`; with `--check` it only tells.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

type Package = {
  readonly version?: string;
  readonly dev?: boolean;
  readonly license?: string;
  readonly optionalDependencies?: { readonly [name: string]: string };
};
type Lock = { readonly packages: { readonly [path: string]: Package & { readonly [field: string]: unknown } } };

const path = join(import.meta.dirname, "..", "package-lock.json");
const lock: Lock = JSON.parse(readFileSync(path, "utf8"));
const missing = Object.values(lock.packages).flatMap((owner) =>
  Object.entries(owner.optionalDependencies ?? {})
    .filter(([name]) => lock.packages[`node_modules/${name}`] === undefined)
    .map(([name, version]) => [`node_modules/${name}`, entryOf(name, version, owner)] as const),
);

if (process.argv.includes("--check")) {
  for (const [name] of missing) console.error(`package-lock.json lacks ${name}: run node scripts/complete-lock.ts`);
  process.exitCode = missing.length === 0 ? 0 : 1;
} else {
  const packages = Object.entries({ ...lock.packages, ...Object.fromEntries(missing) });
  const sorted = Object.fromEntries(packages.toSorted(([left], [right]) => (left < right ? -1 : 1)));
  writeFileSync(path, `${JSON.stringify({ ...lock, packages: sorted }, undefined, 2)}\n`);
  console.log(`package-lock.json: ${missing.length} packages added`);
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
