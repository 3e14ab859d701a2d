import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { registryHost } from "../../scripts/control-plane/node/addresses.ts";
import { pushLayout, pushProgram } from "../../scripts/control-plane/node/images.ts";
import { createApiClient, type OwnedApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import { loadRelease } from "../../src/distribution/load.ts";
import type { GroupVersionKind } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject, ObjectKey } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { changesOf } from "./record-objects.ts";
import { realControllers } from "./flux-process.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const never = new AbortController().signal;
/** Longer than anything takes on a busy machine; a test that waits so long has failed. */
const patienceMs = 120_000;

/** A cluster whose pods really run, with a registry that has the operator's image and those of Flux. */
export type NodeWorld = AsyncDisposable & {
  readonly plane: ControlPlane;
  readonly client: OwnedApiClient;
  /** "10.250.0.1:5000/fluxcd": where images of Flux that were built here are, at the tags of `version`. */
  readonly registry: string;
  apply(object: JsonObject): Promise<KubeObject>;
  /** Waits, on a watch, until the object is as `wanted` says. Fails with the last state seen. */
  when(gvk: GroupVersionKind, key: ObjectKey, wanted: (object: KubeObject) => boolean): Promise<KubeObject>;
};

export const operatorImage = `${registryHost}/flux-operator:dev`;

/** Starts the cluster and fills its registry. `version` is the Flux at whose tags its controllers are. */
export async function startNodeWorld(version: string): Promise<NodeWorld> {
  const plane = await startControlPlane({ variant: "node" });
  try {
    await Promise.all([pushOperator(), ...realControllers.map((name) => pushController(name, version))]);
    const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock });
    const client = createApiClient({ connection, userAgent: "test", clock: systemClock });
    return {
      plane,
      client,
      registry: `${registryHost}/fluxcd`,
      apply: (object) => client.apply(object as KubeObject, { fieldManager: "test" }, never),
      when: (gvk, key, wanted) => when(client, { gvk, key }, wanted),
      [Symbol.asyncDispose]: async () => {
        await client.close();
        await plane.stop();
      },
    };
  } catch (error) {
    await plane.stop();
    throw error;
  }
}

/** Builds the image for this machine, of which all but the bundle is in the cache, and pushes it. */
async function pushOperator(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "operator-image-"));
  const platform = process.arch === "arm64" ? "arm64" : "amd64";
  try {
    await run(process.execPath, ["scripts/build-image.ts", `--out=${folder}`, `--platform=${platform}`], { cwd: root });
    await pushLayout(join(folder, "image"), operatorImage, never);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function pushController(program: (typeof realControllers)[number], version: string): Promise<void> {
  const { images } = loadRelease(version);
  const tag = images["upstream-alpine"]?.[program]?.tag ?? "";
  const certificates = await readFile("/etc/ssl/certs/ca-certificates.crt").catch(() => Buffer.from(""));
  await pushProgram(
    {
      program,
      reference: `${registryHost}/fluxcd/${program}:${tag}`,
      more: [{ kind: "file", path: "etc/ssl/certs/ca-certificates.crt", content: certificates, mode: 0o644 }],
    },
    never,
  );
}

async function when(
  client: OwnedApiClient,
  { gvk, key }: { readonly gvk: GroupVersionKind; readonly key: ObjectKey },
  wanted: (object: KubeObject) => boolean,
): Promise<KubeObject> {
  const deadline = AbortSignal.timeout(patienceMs);
  let last: KubeObject | undefined;
  try {
    for await (const object of changesOf(client, { gvk, key }, deadline)) {
      last = object;
      if (wanted(object)) return object;
    }
  } catch (error) {
    if (!deadline.aborted) throw error;
  }
  throw new Error(
    `${gvk.kind} ${key.namespace}/${key.name} is not as it should be: ${JSON.stringify(last, undefined, 1)}`,
  );
}

/** The installation of `packaging/yaml/install.yaml` with the image from the node's registry, changed by `edit`. */
export async function installManifest(edit: (text: string) => string = (text) => text): Promise<string> {
  const text = await readFile(join(root, "packaging/yaml/install.yaml"), "utf8");
  return edit(text.replace(/image: \S*\/flux-operator:\S+/, `image: ${operatorImage}`));
}

/** Runs `kubectl` as the admin, and resolves to what it says. */
export async function kubectl(plane: ControlPlane, args: readonly string[], input = ""): Promise<string> {
  const running = run(plane.binaries.kubectl, ["--kubeconfig", plane.kubeconfigPath, ...args], { maxBuffer: 64e6 });
  running.child.stdin?.end(input);
  return (await running).stdout;
}
