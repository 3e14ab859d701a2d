import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import { systemClock } from "../../src/std/clock.ts";
import type { ControlPlane } from "./control-plane.ts";

type Rest = ControlPlane["rest"];

/** Longer than a storage takes on a busy machine. */
const patienceMs = 90_000;

/** Kinds that change without anybody's doing. */
const restless = new Set([
  "ComponentStatus",
  "Event",
  "Lease",
  "Node",
  "EndpointSlice",
  "Endpoints",
  "Pod",
  "ReplicaSet",
  "APIService",
]);

/** Kinds that say nothing but their spec: Kubernetes counts in their status, at any time. */
const counted = new Set(["ResourceQuota"]);

/** See `FluxCluster.snapshot`. */
export async function snapshotOf(plane: ControlPlane): Promise<ReadonlyMap<string, string>> {
  return new Map((await listEvery(plane)).map((object) => [nameObject(object), stateOf(object)]));
}

/** Every object in the cluster, as its preferred version has it, but for kinds that change by themselves. */
export async function listEvery({ rest }: ControlPlane): Promise<readonly KubeObject[]> {
  const resources = (await listable(rest)).filter(({ kind }) => !restless.has(kind));
  const lists = await Promise.all(
    resources.map(async ({ kind, groupPath, path }) => {
      const apiVersion = groupPath.replace(/^\/apis?\//, "");
      return (await listWhenServed(rest, path)).map((object) => Object.assign(object, { kind, apiVersion }));
    }),
  );
  return lists.flat();
}

/** Resolves when there is no object of that name, as a snapshot has it. Asks for its kind only: a snapshot is a hundred requests. */
export async function untilGone({ rest }: ControlPlane, name: string, deadline: AbortSignal): Promise<void> {
  const resources = (await listable(rest)).filter(({ kind }) => name.startsWith(`${kind}/`));
  for (const resource of resources) {
    while ((await listWhenServed(rest, resource.path)).some((object) => nameOf(object, resource) === name))
      await systemClock.sleep(50, deadline);
  }
}

type Resource = { readonly kind: string; readonly groupPath: string; readonly path: string };

/** Every resource that can be listed, in the preferred version of its group. */
async function listable(rest: Rest): Promise<readonly Resource[]> {
  const groups = listOf((await rest.get("/apis"))["groups"])
    .map((group) => textOf(fieldsOf(fieldsOf(group)["preferredVersion"])["groupVersion"]))
    .map((version) => `/apis/${version}`);
  const found: Resource[] = [];
  for (const groupPath of ["/api/v1", ...groups]) {
    // A group goes with its last definition, so it may be gone by now.
    const { body } = await rest.request("GET", groupPath);
    const resources = listOf(fieldsOf(body)["resources"]).map(fieldsOf);
    for (const { name, kind, verbs } of resources) {
      const path = `${groupPath}/${textOf(name)}`;
      if (listOf(verbs).includes("list")) found.push({ kind: textOf(kind), groupPath, path });
    }
  }
  return found;
}

function nameOf(object: KubeObject, { kind, groupPath }: Resource): string {
  return nameObject({ ...object, kind, apiVersion: groupPath });
}

/** Changes when somebody else than Kubernetes writes to the object. */
function stateOf(object: KubeObject): string {
  const { kind, metadata } = object;
  const { uid, resourceVersion } = metadata;
  if (counted.has(kind)) return `${uid}@${JSON.stringify(object["spec"])}`;
  // Its rules follow those of others, some time after those have changed.
  if (object["aggregationRule"] !== undefined) return `${uid}@${JSON.stringify(object["aggregationRule"])}`;
  return `${uid}@${resourceVersion}`;
}

/** For a moment after a definition has changed, its storage answers 429; with the definition goes the list, at any time. */
async function listWhenServed(rest: Rest, path: string): Promise<readonly KubeObject[]> {
  for (;;) {
    const { status, body } = await rest.request("GET", path);
    if (status === 404) return [];
    if (status === 200) return listOf(fieldsOf(body)["items"]).map((item) => item as KubeObject);
    if (status !== 429) throw new Error(`Cannot list ${path}: the API server answered ${status}`);
    await systemClock.sleep(100, AbortSignal.timeout(patienceMs));
  }
}
