/** `node scripts/pin-debian.ts` pins the newest versions of the image's Debian packages in packaging/image/debian.json. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import xz from "xz-decompress";
import type { DebianPackage } from "./image/debian.ts";
import { compareDebianVersions } from "./image/debian-version.ts";
import { platforms } from "./image/platform.ts";

const suites = [
  { archive: "debian", suite: "bookworm" },
  { archive: "debian", suite: "bookworm-updates" },
  { archive: "debian-security", suite: "bookworm-security" },
];
/** `gcc-12-base` has the licence of GCC's libraries. */
const wanted = new Set(["ca-certificates", "gcc-12-base", "libatomic1", "libc6", "libgcc-s1", "libstdc++6"]);

const found = await Promise.all(
  platforms.flatMap(({ architecture }) => suites.map((suite) => packagesOf(suite, architecture))),
);
const newest = new Map<string, DebianPackage>();
for (const one of found.flat()) {
  const known = newest.get(`${one.architecture} ${one.name}`);
  if (known === undefined || compareDebianVersions(known.version, one.version) < 0) {
    newest.set(`${one.architecture} ${one.name}`, one);
  }
}
const packages = [...newest].toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([, one]) => one);
const text = JSON.stringify(
  { suite: "bookworm", pinned: new Date().toISOString().slice(0, 10), packages },
  undefined,
  2,
);
await writeFile(join(import.meta.dirname, "../packaging/image/debian.json"), `${text}\n`);

async function packagesOf(
  { archive, suite }: (typeof suites)[number],
  architecture: string,
): Promise<readonly DebianPackage[]> {
  const url = `http://deb.debian.org/${archive}/dists/${suite}/main/binary-${architecture}/Packages.xz`;
  const response = await fetch(url);
  if (!response.ok || response.body === null) throw new Error(`${url}: the server answered ${response.status}`);
  const list = (await buffer(new xz.XzReadableStream(response.body))).toString("utf8");
  return list.split("\n\n").flatMap((paragraph) => {
    const fields = new Map(
      [...paragraph.matchAll(/^([\w-]+): (.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
    );
    const name = fields.get("Package") ?? "";
    if (!wanted.has(name)) return [];
    const source = (fields.get("Source") ?? name).split(" ")[0] ?? name;
    const [version = "", path = "", sha256 = ""] = ["Version", "Filename", "SHA256"].map((field) => fields.get(field));
    return [{ name, version, source, architecture, path: `${archive}/${path}`, sha256 }];
  });
}
