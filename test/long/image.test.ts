import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { goTool } from "../../scripts/go-tool.ts";
import { operatorRun } from "../../scripts/image/operator-run.ts";
import { startRegistry } from "../support/registry.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const never = new AbortController().signal;

type Descriptor = {
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly platform?: { readonly architecture: string; readonly os: string };
};
type Manifest = {
  readonly manifests: readonly Descriptor[];
  readonly layers: readonly Descriptor[];
  readonly config: Descriptor;
  readonly subject?: Descriptor;
  readonly annotations: { readonly [key: string]: string };
};

/** Builds the image, and resolves to the digest of its index, which names all that it consists of. */
async function build(): Promise<string> {
  const { stdout } = await run(process.execPath, ["scripts/build-image.ts", `--out=${folder}`], { cwd: root });
  return /^image {2}(sha256:[0-9a-f]{64})$/m.exec(stdout)?.[1] ?? stdout;
}

async function blob({ digest }: Pick<Descriptor, "digest">): Promise<string> {
  return await readFile(join(image, "blobs", "sha256", digest.replace("sha256:", "")), "utf8");
}

let folder: string;
let image: string;
let digest: string;
let index: Manifest;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "image-test-"));
  image = join(folder, "image");
  digest = await build();
  index = JSON.parse(await blob({ digest })) as Manifest;
});

after(() => rm(folder, { recursive: true }));

test("two builds give the same image", async () => assert.equal(await build(), digest));

test("the image is for two platforms, at most 40 MB each, and starts the operator as user 65532", async (context) => {
  const platforms = index.manifests.filter(({ artifactType }) => artifactType === undefined);
  assert.deepEqual(
    platforms.map(({ platform }) => platform),
    [
      { architecture: "amd64", os: "linux" },
      { architecture: "arm64", os: "linux" },
    ],
  );
  for (const one of platforms) {
    const manifest = JSON.parse(await blob(one)) as Manifest;
    const config = JSON.parse(await blob(manifest.config)) as { readonly config: object };
    const { Labels, ...start } = config.config as { readonly Labels: object };
    assert.deepEqual([start, Labels], [operatorRun, manifest.annotations]);
    const bytes = manifest.layers.reduce((sum, { size }) => sum + size, 0);
    context.diagnostic(`linux/${one.platform?.architecture}: ${(bytes / 1e6).toFixed(1)} MB compressed`);
    assert.ok(bytes < 40e6, `${bytes} bytes`);
  }
});

test("each platform has a valid bill of materials that refers to it", async () => {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  const artifacts = index.manifests.filter(({ artifactType }) => artifactType !== undefined);
  assert.equal(artifacts.length, 2);
  for (const one of artifacts) {
    const { layers, subject } = JSON.parse(await blob(one)) as Manifest;
    assert.ok(index.manifests.some((manifest) => manifest.digest === subject?.digest));
    const [sbom] = layers;
    assert.ok(sbom !== undefined);
    const text = await blob(sbom);
    assert.equal(await validator.validate(text), null);
    const { components } = JSON.parse(text) as { readonly components: readonly { readonly name: string }[] };
    const names = new Set(components.map(({ name }) => name));
    for (const name of ["libc6", "node", "undici", "yaml", "pino"]) assert.ok(names.has(name), name);
  }
});

test("a real registry takes the image with all that belongs to it", async () => {
  await using registry = await startRegistry({ kind: "open" }, never);
  const crane = await goTool("crane", never);
  const reference = `${registry.host}/flux-operator:dev`;
  await run(crane, ["push", image, reference, "--insecure"]);
  assert.equal((await run(crane, ["digest", reference, "--insecure"])).stdout.trim(), digest);
  const { stdout } = await run(crane, ["config", reference, "--platform=linux/arm64", "--insecure"]);
  assert.equal((JSON.parse(stdout) as { readonly architecture: string }).architecture, "arm64");
});
