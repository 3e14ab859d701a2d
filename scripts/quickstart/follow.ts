import { clearScreenDown, cursorTo } from "node:readline";
import type { ApiClient } from "../../src/client/api-client.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { GroupVersionKind } from "../../src/kube/gvk.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import type { KubeObject, ObjectKey } from "../../src/kube/object.ts";
import { readinessOf } from "../../src/kube/readiness.ts";

const instanceKind: GroupVersionKind = { group: "fluxcd.controlplane.io", version: "v1", kind: "FluxInstance" };

export type FollowResult = { readonly ready: boolean; readonly message: string };

/** Watches an instance and the Deployments around it until Ready is True, or False for good, and shows each step once. */
export async function followInstance(
  client: ApiClient,
  key: ObjectKey,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<FollowResult> {
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal, AbortSignal.timeout(timeoutMs)]);
  const display = new Display();
  let result: FollowResult | undefined;
  const seeInstance = (instance: KubeObject): void => {
    const conditions = listOf(fieldsOf(instance["status"])["conditions"]).map(fieldsOf);
    const ready = conditions.find((condition) => condition["type"] === "Ready");
    const message = textOf(ready?.["message"]);
    if (message !== "") display.say(message);
    const stalled = conditions.some((condition) => condition["type"] === "Stalled");
    const status = textOf(ready?.["status"]);
    if (status !== "True" && !stalled && status !== "False") return;
    result = { ready: status === "True", message };
    done.abort();
  };
  const deployments = new Map<string, KubeObject>();
  const seeDeployment = (deployment: KubeObject): void => {
    deployments.set(deployment.metadata.name, deployment);
    const available = [...deployments.values()].filter((object) => readinessOf(object).status === "Current").length;
    display.count(available, deployments.size);
  };
  await Promise.allSettled([
    follow(client, { gvk: instanceKind, namespace: key.namespace, see: seeInstance }, stop),
    follow(client, { gvk: deploymentKind, namespace: key.namespace, see: seeDeployment }, stop),
  ]);
  signal.throwIfAborted();
  display.end();
  return result ?? { ready: false, message: `not ready after ${timeoutMs / 1000} s` };
}

type Watched = {
  readonly gvk: GroupVersionKind;
  readonly namespace: string;
  readonly see: (object: KubeObject) => void;
};

async function follow(client: ApiClient, { gvk, namespace, see }: Watched, stop: AbortSignal): Promise<void> {
  const list = await client.list(gvk, { namespace }, stop);
  for (const item of list.items) see(item);
  const options = { namespace, resourceVersion: list.resourceVersion, timeoutMs: 600_000, idleMs: 120_000 };
  for await (const event of client.watch(gvk, options, stop)) {
    if (event.kind === "added" || event.kind === "modified") see(event.object);
  }
}

/** A line for each new message; on a terminal a bar of available Deployments below it. */
class Display {
  readonly #startMs = performance.now();
  #last = "";
  #bar = "";

  say(message: string): void {
    if (message === this.#last) return;
    this.#last = message;
    this.#erase();
    console.log(`  ${this.#elapsed()}  ${message}`);
    this.#draw();
  }

  count(available: number, total: number): void {
    const filled = total === 0 ? 0 : Math.round((20 * available) / total);
    const bar = `${"#".repeat(filled)}${".".repeat(20 - filled)} ${available} of ${total} Deployments available`;
    if (bar === this.#bar) return;
    this.#bar = bar;
    this.#erase();
    if (process.stdout.isTTY) this.#draw();
    else if (available === total) console.log(`  ${this.#elapsed()}  ${available} of ${total} Deployments available`);
  }

  end(): void {
    this.#erase();
  }

  #elapsed(): string {
    return `${((performance.now() - this.#startMs) / 1000).toFixed(1).padStart(5)} s`;
  }

  #draw(): void {
    if (process.stdout.isTTY && this.#bar !== "") process.stdout.write(`  ${this.#bar}`);
  }

  #erase(): void {
    if (!process.stdout.isTTY) return;
    cursorTo(process.stdout, 0);
    clearScreenDown(process.stdout);
  }
}
