import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fluxInstance } from "../../src/api/names.ts";
import { ReleaseSource } from "../../src/controllers/flux-instance/releases/release-source.ts";
import { worldOf, type World } from "../../src/controllers/flux-instance/world.ts";
import { loadRelease } from "../../src/distribution/load.ts";
import { Registry } from "../../src/oci/registry.ts";
import { SignatureChecks } from "../../src/oci/signatures/signature-checks.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { systemClock } from "../../src/std/clock.ts";
import { artifactFiles } from "../support/artifact-of.ts";
import { startImageMirror } from "../support/rebuilt-images.ts";
import { pushImage, startRegistry } from "../support/registry.ts";
import { tarGzOf } from "../support/tarball.ts";
import { startWireProxy } from "../support/wire-proxy.ts";
import { toolsAbsent } from "./distribution.ts";
import { instanceKey, toVersion } from "./instance.ts";
import type { Outcome, Row, Sample } from "./row.ts";

const components = ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"] as const;
const what = `of the artifact and ${components.length} images`;
const first: Row = {
  measure: `first look ${what}`,
  unit: "ms",
  note: "a local registry; the artifact is pulled and read",
};
const time: Row = { measure: `poll ${what}, nothing new`, unit: "ms", note: "a local registry over plain HTTP" };
const requests: Row = { measure: `requests to the registry for a poll ${what}, nothing new`, unit: "requests" };
const hourly: Row = {
  measure: `requests to the registry ${what} in an hour, nothing new`,
  unit: "requests",
  note: "polls every 10 minutes, the default; a registry whose tokens live less than that is asked three times instead of once",
};
const polls = 20;
const pollsInAnHour = 6;

/** What it costs to look whether there is something new when there is nothing. */
export async function measurePoll(signal: AbortSignal): Promise<Outcome> {
  const because = await toolsAbsent(signal);
  if (because !== undefined) return { kind: "skipped", rows: [first, time, requests, hourly], because };
  return { kind: "measured", samples: await measure(signal) };
}

async function measure(signal: AbortSignal): Promise<readonly Sample[]> {
  const folder = await mkdtemp(join(tmpdir(), "flux-operator-bench-"));
  await using registry = await startRegistry({ kind: "open" }, signal);
  await using wire = await startWireProxy({ server: `http://${registry.host}` });
  const host = wire.server.replace("http://", "");
  const place = { host: registry.host, registry: `${host}/flux`, version: toVersion, components };
  const mirror = await startImageMirror(place, signal);
  try {
    const tarball = join(folder, "artifact.tgz");
    await writeFile(tarball, await tarGzOf(Object.fromEntries(artifactFiles(loadRelease(toVersion)))));
    await pushImage({ tarball, to: `${registry.host}/bench/manifests:latest` }, signal);
    return await poll(worldAt(host), () => wire.requests.length, signal);
  } finally {
    await mirror[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}

async function poll(world: World, asked: () => number, signal: AbortSignal): Promise<readonly Sample[]> {
  const registry = new Registry({ clock: systemClock, random: Math.random, userAgent: "flux-operator/bench" });
  const source = sourceOf(registry);
  const log = createLogger({ level: "error", encoding: "json" });
  const samples: Sample[] = [];
  const timed = async (row: Row, task: () => Promise<unknown>): Promise<void> => {
    const startMs = performance.now();
    await task();
    samples.push({ row, value: performance.now() - startMs });
  };
  try {
    await timed(first, () => source.find(world, signal));
    for (let round = 0; round < polls; round += 1) {
      const before = asked();
      await timed(time, () => source.poll(world.key, log, signal));
      const count = asked() - before;
      samples.push({ row: requests, value: count }, { row: hourly, value: count * pollsInAnHour });
    }
  } finally {
    await registry.close();
  }
  return samples;
}

function sourceOf(registry: Registry): ReleaseSource {
  return new ReleaseSource({
    registry,
    signatures: new SignatureChecks(registry),
    embedded: { versions: [toVersion], load: loadRelease },
    client: { getOrUndefined: () => Promise.resolve(undefined) },
    polls: { addAfter: () => undefined, retry: () => 0, forget: () => undefined },
    random: Math.random,
    jitter: 0,
    onChange: () => undefined,
  });
}

function worldAt(host: string): World {
  const artifact = `oci://${host}/bench/manifests:latest`;
  const distribution = { version: toVersion, registry: `${host}/flux`, artifact, artifactInsecure: true };
  const instance = {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { ...instanceKey, generation: 1 },
    spec: { distribution: { ...distribution, digests: "Registry" }, components: [...components] },
  };
  return worldOf(instance, new Map(), instanceKey.namespace);
}
