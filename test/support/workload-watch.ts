import type { ApiClient, WatchEvent } from "../../src/client/api-client.ts";
import type { GroupVersionKind } from "../../src/kube/gvk.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import { canonicalJson } from "../../src/std/json.ts";

/** Kinds of what Flux applies in these tests. */
const kinds: readonly GroupVersionKind[] = [
  { group: "", version: "v1", kind: "Namespace" },
  { group: "", version: "v1", kind: "ConfigMap" },
  { group: "", version: "v1", kind: "Service" },
  { group: "apps", version: "v1", kind: "Deployment" },
];

/** Watches what runs in some namespaces, the namespaces included, and tells every change of it. */
export type WorkloadWatch = AsyncDisposable & {
  /** What is there, by name, sorted. */
  names(): Promise<readonly string[]>;
  /**
   * What has happened since the last call: "<Kind/namespace/name> appeared | changed | is being deleted | was replaced | went", in the
   * order in which it was seen. Status, labels and annotations do not count.
   */
  news(): Promise<readonly string[]>;
};

type Seen = { readonly uid: string; readonly content: string; readonly deleting: boolean };

export async function watchWorkloads(client: ApiClient, namespaces: readonly string[]): Promise<WorkloadWatch> {
  const stop = new AbortController();
  const seen = new Map<string, Seen>();
  /** The list at the end of a step may be ahead of the watch. */
  const newest = new Map<string, bigint>();
  const isNews = (name: string, resourceVersion = "0"): boolean => {
    if (BigInt(resourceVersion) <= (newest.get(name) ?? 0n)) return false;
    newest.set(name, BigInt(resourceVersion));
    return true;
  };
  const told: string[] = [];
  const failures: unknown[] = [];
  const see = (object: KubeObject): void => {
    const name = nameObject(object);
    if (!isNews(name, object.metadata.resourceVersion)) return;
    const now = lookAt(object);
    const happened = compare(seen.get(name), now);
    seen.set(name, now);
    told.push(...happened.map((what) => `${name} ${what}`));
  };
  const lose = (name: string, resourceVersion: string | undefined): void => {
    if (isNews(name, resourceVersion) && seen.delete(name)) told.push(`${name} went`);
  };
  const counts = ({ kind, metadata }: KubeObject): boolean =>
    namespaces.includes(kind === "Namespace" ? metadata.name : (metadata.namespace ?? "")) &&
    metadata.name !== "kube-root-ca.crt";
  const list = async (gvk: GroupVersionKind): Promise<string> => {
    const { items, resourceVersion } = await client.list(gvk, {}, stop.signal);
    const counted = items.filter(counts);
    const alive = new Set(counted.map(nameObject));
    for (const name of seen.keys())
      if (name.startsWith(`${gvk.kind}/`) && !alive.has(name)) lose(name, resourceVersion);
    counted.forEach(see);
    return resourceVersion;
  };
  const tell = (event: WatchEvent): void => {
    if (event.kind === "bookmark" || !counts(event.object)) return;
    if (event.kind === "deleted") lose(nameObject(event.object), event.object.metadata.resourceVersion);
    else see(event.object);
  };
  const watch = async (gvk: GroupVersionKind, from: string): Promise<void> => {
    for (let resourceVersion = from; ; resourceVersion = await list(gvk)) {
      const options = { resourceVersion, timeoutMs: 300_000, idleMs: 600_000 };
      for await (const event of client.watch(gvk, options, stop.signal)) tell(event);
    }
  };
  for (const gvk of kinds) {
    const version = await list(gvk);
    watch(gvk, version).catch((error: unknown) => {
      if (!stop.signal.aborted) failures.push(error);
    });
  }
  const settled = async (): Promise<void> => {
    for (const gvk of kinds) await list(gvk);
    if (failures.length > 0) throw new AggregateError(failures, "the workloads could not be watched");
  };
  return {
    names: async () => {
      await settled();
      return [...seen.keys()].toSorted();
    },
    news: async () => {
      await settled();
      return told.splice(0);
    },
    [Symbol.asyncDispose]: async () => stop.abort(),
  };
}

function lookAt(object: KubeObject): Seen {
  const { metadata, spec = null, data = null } = object;
  return {
    uid: metadata.uid ?? "",
    content: canonicalJson({ spec, data }),
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

function compare(before: Seen | undefined, now: Seen): readonly string[] {
  if (before === undefined) return ["appeared"];
  return [
    ...(before.uid === now.uid ? [] : ["was replaced"]),
    ...(before.content === now.content ? [] : ["changed"]),
    ...(now.deleting && !before.deleting ? ["is being deleted"] : []),
  ];
}
