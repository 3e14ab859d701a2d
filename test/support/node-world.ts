import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { withLock } from "../../scripts/control-plane/lock.ts";
import { builtControllers, pushController, pushOperator } from "../../scripts/quickstart/node-images.ts";
import { createApiClient, type OwnedApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import type { GroupVersionKind } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject, ObjectKey } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { untilObject } from "./record-objects.ts";

const run = promisify(execFile);
const never = new AbortController().signal;
/** Longer than anything takes on a busy machine; a test that waits so long has failed. */
const patienceMs = 120_000;

/** A cluster whose pods really run, with a registry that has the operator's image and those of Flux. */
export type NodeWorld = AsyncDisposable & {
  readonly plane: ControlPlane;
  readonly client: OwnedApiClient;
  apply(object: JsonObject): Promise<KubeObject>;
  /** Waits, on a watch, until the object is as `wanted` says. Fails with the last state seen. */
  when(gvk: GroupVersionKind, key: ObjectKey, wanted: (object: KubeObject) => boolean): Promise<KubeObject>;
};

function tellOwner(owner: number): void {
  console.error(`Waiting for the node, which process ${owner} has`);
}

/** Waits until no other test has the node of this machine, and keeps it until it is disposed of: test files run side by side. */
export async function reserveNode(): Promise<AsyncDisposable> {
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const { promise: reserved, resolve: begin } = Promise.withResolvers<void>();
  const held = withLock(join(tmpdir(), "flux-operator-node.lock"), { onWait: tellOwner }, async () => {
    begin();
    await over;
  });
  await Promise.race([reserved, held]);
  return {
    [Symbol.asyncDispose]: async () => {
      end();
      await held;
    },
  };
}

/** Starts the cluster and fills its registry. `version` is the Flux at whose tags its controllers are. */
export async function startNodeWorld(version: string): Promise<NodeWorld> {
  const plane = await startControlPlane({ variant: "node" });
  try {
    const pushes = builtControllers.map((name) => pushController(name, version, never));
    await Promise.all([pushOperator(never), ...pushes]);
    const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock });
    const client = createApiClient({ connection, userAgent: "test", clock: systemClock });
    return {
      plane,
      client,
      apply: (object) => client.apply(object as KubeObject, { fieldManager: "test" }, never),
      when: (gvk, key, isSo) =>
        untilObject(
          client,
          { gvk, key, isSo, patienceMs },
          (last) => `${gvk.kind} ${key.namespace}/${key.name} is not as it should be: ${last}`,
        ),
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

/** Runs `kubectl` as the admin, and resolves to what it says. */
export async function kubectl(plane: ControlPlane, args: readonly string[], input = ""): Promise<string> {
  const running = run(plane.binaries.kubectl, ["--kubeconfig", plane.kubeconfigPath, ...args], { maxBuffer: 64e6 });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

/** The process of the node's kubelet. */
export function kubeletOf({ folder }: ControlPlane): number {
  return processWith(join(folder, "node", "kubelet.json"));
}

/**
 * As a power cut and a boot: ends all processes of the node but the first, removes what only memory held, and starts the node's programs again.
 * Returns as soon as the node has been told.
 */
export function rebootNode({ folder }: ControlPlane): void {
  const outside = processWith(`NODE=${join(folder, "node")}\0`);
  const [init] = readFileSync(`/proc/${outside}/task/${outside}/children`, "utf8").split(" ");
  process.kill(Number(init), "SIGUSR1");
}

/** The process that has `argument` in its command line. */
function processWith(argument: string): number {
  const found = readdirSync("/proc").find((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(argument));
  if (found === undefined) throw new Error(`no process has ${argument} in its command line`);
  return Number(found);
}

/** Empty for one that has ended meanwhile. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
