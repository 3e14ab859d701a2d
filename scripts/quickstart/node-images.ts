import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { loadRelease } from "../../src/distribution/load.ts";
import { registryHost } from "../control-plane/node/addresses.ts";
import { pushLayout, pushProgram } from "../control-plane/node/images.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");

/** The operator in the node's registry. */
export const operatorImage = `${registryHost}/flux-operator:dev`;

/** Where the node's registry has Flux's controllers. */
export const fluxRegistry = `${registryHost}/fluxcd`;

/** The controllers of Flux that are built here. */
export const builtControllers = ["source-controller", "kustomize-controller"] as const;

/** Builds the image for this machine, of which all but the bundle is in the cache, and pushes it. */
export async function pushOperator(signal: AbortSignal): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "operator-image-"));
  const platform = process.arch === "arm64" ? "arm64" : "amd64";
  try {
    await run(process.execPath, ["scripts/build-image.ts", `--out=${folder}`, `--platform=${platform}`], {
      cwd: root,
      signal,
    });
    await pushLayout(join(folder, "image"), operatorImage, signal);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Pushes a controller that was built here, at the tag that it has in that version of Flux. */
export async function pushController(
  program: (typeof builtControllers)[number],
  version: string,
  signal: AbortSignal,
): Promise<void> {
  const { images } = loadRelease(version);
  const tag = images["upstream-alpine"]?.[program]?.tag ?? "";
  const certificates = await readFile("/etc/ssl/certs/ca-certificates.crt").catch(() => Buffer.from(""));
  await pushProgram(
    {
      program,
      reference: `${fluxRegistry}/${program}:${tag}`,
      more: [{ kind: "file", path: "etc/ssl/certs/ca-certificates.crt", content: certificates, mode: 0o644 }],
    },
    signal,
  );
}

/** The installation of `packaging/yaml/install.yaml` with the image from the node's registry, changed by `edit`. */
export async function installManifest(edit: (text: string) => string = (text) => text): Promise<string> {
  const text = await readFile(join(root, "packaging/yaml/install.yaml"), "utf8");
  return edit(text.replace(/image: \S*\/flux-operator:\S+/, `image: ${operatorImage}`));
}
