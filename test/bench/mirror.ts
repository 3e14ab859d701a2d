import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { goTool } from "../../scripts/go-tool.ts";
import { loadRelease } from "../../src/distribution/load.ts";
import type { ComponentName, VariantImages } from "../../src/distribution/release.ts";
import { errorMessage } from "../../src/std/errors.ts";
import { artifactFiles } from "../support/artifact-of.ts";
import { ociIndex, ociManifest, openRepository, pushBlob, pushManifest } from "../support/push-content.ts";
import { startRegistry } from "../support/registry.ts";
import { runToEnd } from "./process.ts";
import type { Outcome, Row, Sample } from "./row.ts";

const components: readonly ComponentName[] = [
  "source-controller",
  "kustomize-controller",
  "helm-controller",
  "notification-controller",
];
const layerBytes = 15_000_000;
const megabytes = (components.length * 2 * layerBytes) / 1_000_000;
const ours: Row = {
  measure: `\`distro mirror\` process, ${components.length} images of two platforms, ${megabytes} MB`,
  unit: "s",
  note: "from one local registry to another, with a look for signatures, which there are none of",
};
const ofCrane: Row = { measure: "`crane copy` processes of the same", unit: "s", note: "one after the other" };
const ofSkopeo: Row = {
  measure: "`skopeo copy --all` processes of the same",
  unit: "s",
  note: "Debian's, where it is installed",
};
const times = 3;
const skopeoCopy = ["skopeo", "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"];

/** `distro mirror` beside crane and, where it is installed, skopeo. */
export async function measureMirror(signal: AbortSignal): Promise<Outcome> {
  const binary = await goTool("crane", signal).catch((error: unknown) => new Error(errorMessage(error)));
  signal.throwIfAborted();
  if (binary instanceof Error)
    return {
      kind: "skipped",
      rows: [ours, ofCrane, ofSkopeo],
      because: `no crane here: ${binary.message.split("\n")[0]}`,
    };
  const folder = await mkdtemp(join(tmpdir(), "flux-operator-bench-"));
  try {
    await using vendor = await startRegistry({ kind: "open" }, signal);
    await describeImages(folder, await pushImages(vendor.host));
    const hasSkopeo = spawnSync("skopeo", ["--version"]).status === 0;
    const samples: Sample[] = [];
    for (let time = 0; time < times; time += 1) {
      samples.push({ row: ours, value: await mirrorOnce({ folder, from: vendor.host }, signal) });
      const crane = [binary, "copy", "--insecure"];
      samples.push({ row: ofCrane, value: await copyOnce({ command: crane, from: vendor.host }, signal) });
      if (!hasSkopeo) continue;
      const copied = await copyOnce({ command: skopeoCopy, from: vendor.host, scheme: "docker://" }, signal);
      samples.push({ row: ofSkopeo, value: copied });
    }
    return { kind: "measured", samples };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function mirrorOnce({ folder, from }: { folder: string; from: string }, signal: AbortSignal): Promise<number> {
  await using mine = await startRegistry({ kind: "open" }, signal);
  const program = resolve(import.meta.dirname, "../../bin/flux-operator");
  const source = ["--distribution", folder, "--from", `${from}/fluxcd`, "--from-insecure"];
  const only = components.flatMap((component) => ["--component", component]);
  const target = ["--to", `${mine.host}/flux`, "--to-insecure"];
  return (await runToEnd([program, "distro", "mirror", ...source, ...only, ...target], {}, signal)).ms;
}

type Copies = { readonly command: readonly string[]; readonly from: string; readonly scheme?: string };

async function copyOnce({ command, from, scheme = "" }: Copies, signal: AbortSignal): Promise<number> {
  await using mine = await startRegistry({ kind: "open" }, signal);
  let ms = 0;
  for (const component of components) {
    const places = [from, mine.host].map((host) => `${scheme}${host}/fluxcd/${component}:v1.0.0`);
    ms += (await runToEnd([...command, ...places], {}, signal)).ms;
  }
  return ms;
}

async function pushImages(host: string): Promise<VariantImages> {
  const images = await Promise.all(
    components.map(async (component) => {
      const at = openRepository(host, `fluxcd/${component}`);
      const manifests = [];
      for (const architecture of ["amd64", "arm64"]) {
        const platform = { os: "linux", architecture };
        const config = await pushBlob(
          at,
          "application/vnd.oci.image.config.v1+json",
          Buffer.from(JSON.stringify(platform)),
        );
        const layer = await pushBlob(at, "application/vnd.oci.image.layer.v1.tar+gzip", randomBytes(layerBytes));
        const manifest = { schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] };
        manifests.push({ ...(await pushManifest(at, manifest)), platform });
      }
      const { digest } = await pushManifest(at, { schemaVersion: 2, mediaType: ociIndex, manifests }, "v1.0.0");
      return [component, { tag: "v1.0.0", digest }] as const;
    }),
  );
  return Object.fromEntries(images);
}

/** An artifact in a folder, whose release has these images. */
async function describeImages(folder: string, images: VariantImages): Promise<void> {
  for (const [path, content] of artifactFiles({ ...loadRelease("2.9.4"), images: { "upstream-alpine": images } })) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}
