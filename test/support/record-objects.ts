import type { OwnedApiClient } from "../../src/client/create-client.ts";
import type { GroupVersionKind } from "../../src/kube/gvk.ts";
import type { KubeObject, ObjectKey } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";

/** What is waited for, and how long. */
export type Wanted = {
  readonly gvk: GroupVersionKind;
  readonly key?: ObjectKey | undefined;
  readonly isSo: (object: KubeObject) => boolean;
  readonly patienceMs: number;
};

/** Waits, on a watch, for an object that is as wanted. Throws with what `complain` says of the last one seen. */
export async function untilObject(
  client: OwnedApiClient,
  { gvk, key, isSo, patienceMs }: Wanted,
  complain: (last: string) => string,
): Promise<KubeObject> {
  const deadline = AbortSignal.timeout(patienceMs);
  let last: KubeObject | undefined;
  try {
    for await (const object of changesOf(client, { gvk, key }, deadline)) {
      last = object;
      if (isSo(object)) return object;
    }
  } catch (error) {
    if (!deadline.aborted) throw error;
  }
  throw new Error(complain(JSON.stringify(last, undefined, 1)));
}

export type ObjectRecord = { stop(): Promise<readonly KubeObject[]> };

/** Watches every state that the objects of a kind have until `stop`, which answers them in the order in which they were seen. */
export function recordObjects(client: OwnedApiClient, gvk: GroupVersionKind): ObjectRecord {
  const stop = new AbortController();
  const seen: KubeObject[] = [];
  const watch = async (): Promise<void> => {
    for await (const object of changesOf(client, { gvk }, stop.signal)) seen.push(object);
  };
  const watchOn = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      // What is done to the API server is not what is looked at here.
      await watch().catch(() => undefined);
      await systemClock.sleep(100, stop.signal).catch(() => undefined);
    }
  };
  const watching = watchOn();
  return {
    stop: async () => {
      stop.abort(new Error("the test is over"));
      await watching;
      return seen;
    },
  };
}

/** The objects of a kind, or the one of that key, as they are, and every state that follows. */
export async function* changesOf(
  client: OwnedApiClient,
  { gvk, key }: { readonly gvk: GroupVersionKind; readonly key?: ObjectKey | undefined },
  signal: AbortSignal,
): AsyncGenerator<KubeObject, void, undefined> {
  // A list of all definitions is megabytes.
  const selection = key === undefined ? {} : { namespace: key.namespace, fieldSelector: `metadata.name=${key.name}` };
  while (!signal.aborted) {
    const { items, resourceVersion } = await client.list(gvk, selection, signal);
    yield* items;
    const watch = { ...selection, resourceVersion, timeoutMs: 60_000, idleMs: 120_000 };
    for await (const event of client.watch(gvk, watch, signal)) {
      if (event.kind === "added" || event.kind === "modified") yield event.object;
    }
  }
}
