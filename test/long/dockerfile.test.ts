import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { gunzip, zstdDecompress } from "node:zlib";
import { extract } from "tar-stream";
import { layerType } from "../../scripts/image/layer.ts";
import { operatorRun } from "../../scripts/image/operator-run.ts";
import { platforms } from "../../scripts/image/platform.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");

type Descriptor = {
  readonly digest: string;
  readonly mediaType: string;
  readonly platform?: { readonly architecture: string };
};
type Manifest = {
  readonly manifests: readonly Descriptor[];
  readonly layers: readonly Descriptor[];
  readonly config: Descriptor;
};
type Config = { readonly config: { readonly [field: string]: unknown } };

/** An OCI layout on disk. */
async function layout(
  folder: string,
  architecture: string,
): Promise<{ readonly manifest: Manifest; readonly config: Config }> {
  const parsed = async (path: string): Promise<unknown> => JSON.parse(await readFile(join(folder, path), "utf8"));
  const index = (await parsed("index.json")) as Manifest;
  const nested = (await parsed(blobPath(index.manifests[0]))) as Manifest;
  const ofPlatform = nested.manifests?.find(({ platform }) => platform?.architecture === architecture);
  const manifest = ofPlatform === undefined ? nested : ((await parsed(blobPath(ofPlatform))) as Manifest);
  return { manifest, config: (await parsed(blobPath(manifest.config))) as Config };
}

function blobPath(descriptor: Descriptor | undefined): string {
  return join("blobs", "sha256", descriptor?.digest.replace("sha256:", "") ?? "");
}

/** "path: type mode owner date digest-or-target" of all that the layers hold, later layers on top of earlier ones. */
async function filesIn(folder: string, { layers }: Manifest): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const layer of layers) {
    const packed = await readFile(join(folder, blobPath(layer)));
    const tar =
      layer.mediaType === layerType ? await promisify(zstdDecompress)(packed) : await promisify(gunzip)(packed);
    const entries = extract();
    entries.end(tar);
    for await (const entry of entries) {
      const { name, type, mode, uid, gid, mtime, linkname } = entry.header;
      const hash = createHash("sha256");
      for await (const chunk of entry) hash.update(chunk as Uint8Array);
      const content = type === "file" ? hash.digest("hex") : (linkname ?? "");
      const path = name.replace(/^\.\//, "").replace(/\/$/, "");
      files.set(path, `${type} ${(mode & 0o7777).toString(8)} ${uid}:${gid} ${mtime?.getTime()} ${content}`);
    }
  }
  return files;
}

/** Why this machine cannot build the Dockerfile; undefined when it can. */
function buildahAbsent(): string | undefined {
  if (process.getuid?.() !== 0) return "buildah without a container of its own takes root";
  if (spawnSync("buildah", ["--version"]).status === 0) return undefined;
  return "buildah is not installed: apt-get install --no-install-recommends buildah";
}

describe("the image that buildah makes of packaging/image/Dockerfile", { skip: buildahAbsent() ?? false }, () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "dockerfile-test-"));
    await run(process.execPath, ["scripts/build-image.ts", `--out=${folder}`], { cwd: root });
    await writeFile(join(folder, "policy.json"), JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function buildah(...args: readonly string[]): Promise<void> {
    const storage = ["--root", join(folder, "storage"), "--runroot", join(folder, "state"), "--storage-driver=vfs"];
    await run("buildah", [...storage, ...args], { cwd: root });
  }

  for (const { architecture } of platforms)
    test(`for linux/${architecture} has the files of npm run build:image, and starts the operator in the same way`, async () => {
      const policy = `--signature-policy=${join(folder, "policy.json")}`;
      const file = "packaging/image/Dockerfile";
      const build = ["bud", "--isolation=chroot", "--timestamp=0", `--platform=linux/${architecture}`];
      await buildah(...build, policy, `--file=${file}`, `--tag=${architecture}`, join(folder, "rootfs"));
      const made = join(folder, `made-${architecture}`);
      await buildah("push", policy, architecture, `oci:${made}`);
      const [ours, theirs] = [await layout(join(folder, "image"), architecture), await layout(made, architecture)];
      const { Labels: _, ...start } = theirs.config.config;
      assert.deepEqual(start, operatorRun);
      const [want, got] = [await filesIn(join(folder, "image"), ours.manifest), await filesIn(made, theirs.manifest)];
      assert.ok(want.has("nodejs/bin/node"));
      assert.deepEqual(got, want);
    });
});
