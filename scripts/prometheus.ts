import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "./cache-folder.ts";
import { unpackDebian } from "./image/debian.ts";

/** Prometheus as Debian 12 has it: it needs no build, and nothing of it is installed. */
const version = "2.42.0+ds-5+deb12u1";
const checksums: { readonly [arch: string]: readonly [architecture: string, sha256: string] } = {
  x64: ["amd64", "81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55"],
  arm64: ["arm64", "ca131aa102390083398afbc80be9c8dd1dda78f9f92154fc00df8f7f1f4556e9"],
};
const programs = ["prometheus", "promtool"] as const;

/** Paths of the server and of the tool that checks its rules. */
export type Prometheus = { readonly [program in (typeof programs)[number]]: string };

/** Why they cannot be had on this machine; undefined when they can. */
export function prometheusAbsent(): string | undefined {
  return process.platform === "linux" && checksums[process.arch] !== undefined
    ? undefined
    : `Debian's Prometheus is for Linux on amd64 and arm64, and this is ${process.platform} ${process.arch}`;
}

/** Downloaded and unpacked on first use, then kept in the cache. Throws when the package cannot be had. */
export async function providePrometheus(): Promise<Prometheus> {
  const folder = join(cacheFolder(), "prometheus", `${version}-${process.arch}`);
  if (!existsSync(folder)) await unpack(folder);
  return { prometheus: join(folder, "prometheus"), promtool: join(folder, "promtool") };
}

/** Two at once do not collide: the first one wins. */
async function unpack(folder: string): Promise<void> {
  const [architecture = "", sha256 = ""] = checksums[process.arch] ?? [];
  const path = `debian/pool/main/p/prometheus/prometheus_${version}_${architecture}.deb`;
  const { files } = await unpackDebian({
    name: "prometheus",
    source: "prometheus",
    version,
    architecture,
    path,
    sha256,
  });
  const unpacking = `${folder}.${process.pid}`;
  await mkdir(unpacking, { recursive: true });
  for (const name of programs) {
    const found = files.find((file) => file.path === `usr/bin/${name}`);
    if (found?.kind !== "file") throw new Error(`Cannot provide ${name}: ${path} does not have it`);
    await writeFile(join(unpacking, name), found.content, { mode: 0o755 });
  }
  try {
    await rename(unpacking, folder);
  } catch (error) {
    await rm(unpacking, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
}
