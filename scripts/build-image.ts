/**
 * `npm run build:image`: the operator's image for linux/amd64 and linux/arm64 as an OCI layout in dist/image, and its files in dist/rootfs for who
 * builds with a Dockerfile; its bills of materials in dist/sbom. No container engine is needed. `--push=REFERENCE` sends it to a registry, `--platform=amd64` builds for that one only, and
 * `--out=FOLDER` writes there instead of dist, `--no-rootfs` leaves those files out. `--fips=FOLDER` builds the FIPS variant with the provider in FOLDER, for its platform (docs/fips.md).
 */
import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { operatorVersion } from "../src/std/version.ts";
import { writeBundle } from "./bundle.ts";
import { goTool } from "./go-tool.ts";
import { fipsFiles, inFipsMode } from "./image/fips-files.ts";
import type { ImageFile } from "./image/image-file.ts";
import { layerOf } from "./image/layer.ts";
import { writeLayout, type About, type PlatformImage } from "./image/layout.ts";
import { operatorRun } from "./image/operator-run.ts";
import { platforms, type Platform } from "./image/platform.ts";
import { appFiles, baseFiles } from "./image/root-files.ts";
import { sbomOf } from "./image/sbom.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..");
const { values } = parseArgs({
  allowNegative: true,
  options: {
    rootfs: { type: "boolean", default: true },
    push: { type: "string" },
    insecure: { type: "boolean", default: false },
    platform: { type: "string" },
    fips: { type: "string" },
    out: { type: "string", default: join(root, "dist") },
  },
});
const dist = resolve(values.out);

const fips = values.fips === undefined ? undefined : await fipsFiles(values.fips);
const bundle = await bundleAnew();
const license = await readFile(join(root, "LICENSE"), "utf8");
const about = await aboutThis();
const images: PlatformImage[] = [];
for (const platform of platforms.filter(isWanted)) {
  const [base, app] = [await baseFiles(platform), await appFiles(join(dist, "bundle"), license)];
  const layers = [
    { ...(await layerOf(base)), comment: "Debian libraries, certificates and Node" },
    { ...(await layerOf(app)), comment: "flux-operator" },
    ...(fips === undefined ? [] : [{ ...(await layerOf(fips.files)), comment: "FIPS provider of OpenSSL" }]),
  ];
  const start = fips === undefined ? operatorRun : inFipsMode(operatorRun);
  const contents = { platform, version: about.version, bundle };
  const sbom = await sbomOf(fips === undefined ? contents : { ...contents, fipsModule: fips.module });
  images.push({ platform, layers, run: start, sbom });
  await mkdir(join(dist, "sbom"), { recursive: true });
  await writeFile(join(dist, "sbom", `linux-${platform.architecture}.cdx.json`), sbom);
  const all = [...base, ...app, ...(fips?.files ?? [])];
  if (values.rootfs) await writeRootfs(join(dist, "rootfs", `linux-${platform.architecture}`), all);
  const sizes = layers.map(({ content }) => `${(content.length / 1e6).toFixed(1)} MB`);
  console.log(`linux/${platform.architecture}  ${sizes.join(" + ")}`);
}
if (images.length === 0)
  throw new Error(`There is nothing to build: no platform ${values.platform ?? ""} of that provider`);
const digest = await writeLayout(join(dist, "image"), images, about);
console.log(`image  ${digest}`);
if (values.push !== undefined) await push(values.push);

function isWanted({ architecture }: Platform): boolean {
  return [values.platform, fips?.architecture].every((one) => one === undefined || one === architecture);
}

async function bundleAnew(): ReturnType<typeof writeBundle> {
  await rm(dist, { recursive: true, force: true });
  return await writeBundle(join(dist, "bundle"));
}

async function git(...args: readonly string[]): Promise<string> {
  return (await run("git", args, { cwd: root })).stdout.trim();
}

/** The version of package.json and the commit, whose date stands for that of the build, so that the same commit gives the same image. */
async function aboutThis(): Promise<About> {
  const epoch = process.env["SOURCE_DATE_EPOCH"];
  const seconds = Number(epoch ?? (await git("log", "-1", "--format=%ct")));
  return {
    title: "flux-operator",
    description: "Installs, configures, upgrades and removes Flux CD from one object, FluxInstance",
    version: operatorVersion,
    revision: await git("rev-parse", "HEAD"),
    created: new Date(seconds * 1000).toISOString().replace(".000Z", "Z"),
  };
}

async function writeRootfs(folder: string, files: readonly ImageFile[]): Promise<void> {
  for (const file of files) {
    const path = join(folder, file.path);
    await mkdir(file.kind === "folder" ? path : dirname(path), { recursive: true });
    if (file.kind === "file") await writeFile(path, file.content, { mode: file.mode });
    if (file.kind === "link") await symlink(file.target, path);
    if (file.kind !== "link") await chmod(path, file.mode);
  }
}

async function push(reference: string): Promise<void> {
  const crane = await goTool("crane", AbortSignal.timeout(10 * 60_000));
  const insecure = values.insecure ? ["--insecure"] : [];
  await run(crane, ["push", join(dist, "image"), reference, ...insecure]);
  console.log(`pushed to ${reference}`);
}
