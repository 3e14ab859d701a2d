// Tests: test/long/adoption.test.ts, test/integration/adopted-states.test.ts
import { labels, operatorName } from "../../../api/names.ts";
import { eventReasons } from "../../../api/reasons.ts";
import { isApplied } from "../../../apply/adopt/adopt.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import { requestLimit } from "../../../apply/request.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { isForbidden, NoSuchKindError } from "../../../client/api-error.ts";
import type { GroupVersionKind } from "../../../kube/gvk.ts";
import { formatObjectId, nameObject, objectIdOf } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import type { EventNote } from "../../../runtime/events.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { shorten } from "../../../std/shorten.ts";
import type { World } from "../world.ts";

/**
 * A kind of which a previous installation leaves objects, and the advice for the user. Source: `flux install`, `flux bootstrap`, the community
 * chart.
 */
type Trace = {
  readonly gvk: GroupVersionKind;
  readonly namespaced: boolean;
  readonly labelSelector?: string;
  readonly isLeft: (object: KubeObject, namespace: string) => boolean;
  readonly advice: string;
};

const ofFlux = `${labels.partOf}=flux,${labels.managedBy}!=${operatorName}`;
const rbac = { group: "rbac.authorization.k8s.io", version: "v1" };
const isOfInstance = ({ metadata }: KubeObject, namespace: string): boolean =>
  (metadata.labels?.[labels.instance] ?? namespace) === namespace;
const deleteThem = "nothing needs these objects any more; delete them";
const runOn =
  "these controllers keep running and reconcile beside those of the instance; name them in spec.components or delete them";
const byBootstrap =
  "they still sync from Git; set spec.sync to take them over, or delete them, and remove gotk-components.yaml and gotk-sync.yaml from Git";

/** The name that `flux bootstrap` gives its source and Kustomization. */
const isBootstrapped = ({ metadata }: KubeObject): boolean =>
  metadata.name === "flux-system" && metadata.labels?.[labels.ownerName] === undefined;

const traces: readonly Trace[] = [
  {
    gvk: { group: "apps", version: "v1", kind: "Deployment" },
    namespaced: true,
    labelSelector: ofFlux,
    isLeft: isOfInstance,
    advice: runOn,
  },
  ...(["ServiceAccount", "Service"] as const).map((kind) => ({
    gvk: { group: "", version: "v1", kind },
    namespaced: true,
    labelSelector: ofFlux,
    isLeft: isOfInstance,
    advice: deleteThem,
  })),
  {
    gvk: { group: "networking.k8s.io", version: "v1", kind: "NetworkPolicy" },
    namespaced: true,
    labelSelector: ofFlux,
    isLeft: isOfInstance,
    advice: deleteThem,
  },
  ...(["ClusterRole", "ClusterRoleBinding"] as const).map((kind) => ({
    gvk: { ...rbac, kind },
    namespaced: false,
    labelSelector: ofFlux,
    isLeft: isOfInstance,
    advice: deleteThem,
  })),
  {
    gvk: { group: "", version: "v1", kind: "Secret" },
    namespaced: true,
    labelSelector: "owner=helm",
    isLeft: ({ metadata }) => (metadata.labels?.["name"] ?? "").startsWith("flux"),
    advice:
      "Helm still counts the release among its own, and `helm uninstall` would delete what is in it; delete these Secrets",
  },
  ...(["GitRepository", "OCIRepository", "Bucket"] as const).map((kind) => ({
    gvk: { group: "source.toolkit.fluxcd.io", version: "v1", kind },
    namespaced: true,
    isLeft: isBootstrapped,
    advice: byBootstrap,
  })),
  {
    gvk: { group: "kustomize.toolkit.fluxcd.io", version: "v1", kind: "Kustomization" },
    namespaced: true,
    isLeft: isBootstrapped,
    advice: byBootstrap,
  },
];

/**
 * Event notes about objects of a previous installation that the instance does not manage, made when it takes over others. They are named and
 * never deleted; a kind that the operator may not list is named instead. Throws as ApiClient.
 */
export async function leftoverNotes(
  planned: readonly PlannedObject[],
  world: World,
  { client }: { readonly client: Pick<ApiClient, "list"> },
  signal: AbortSignal,
): Promise<readonly EventNote[]> {
  // A namespace that exists before the first apply is no sign of a previous installation.
  const found = planned.filter(({ object, live }) => object.kind !== "Namespace" && live !== undefined);
  if (!found.some(({ live }) => live !== undefined && !isApplied(live, { fieldManager: operatorName }))) return [];
  const ours = new Set([
    ...planned.map(({ object }) => formatObjectId(objectIdOf(object))),
    ...(world.recorded.inventory?.entries ?? []).map(({ id }) => id),
  ]);
  const { namespace } = world.key;
  const left = await mapConcurrent(traces, requestLimit, async (trace) => {
    const items = await listed(trace, namespace, client, signal);
    if (typeof items === "string") return [{ name: items, advice: "grant the permission to have leftovers named" }];
    return items
      .filter((item) => trace.isLeft(item, namespace) && !ours.has(formatObjectId(objectIdOf(item))))
      .map((item) => ({ name: nameObject(item), advice: trace.advice }));
  });
  return [...Map.groupBy(left.flat(), ({ advice }) => advice)].map(([advice, those]) => ({
    type: "Warning",
    reason: eventReasons.leftovers,
    message: `Left by a previous installation: ${namesOf(those)}: ${advice}`,
  }));
}

const shown = 8;

function namesOf(left: readonly { readonly name: string }[]): string {
  return shorten(left.map(({ name }) => name).toSorted(), shown).join(", ");
}

async function listed(
  { gvk, namespaced, labelSelector }: Trace,
  namespace: string,
  client: Pick<ApiClient, "list">,
  signal: AbortSignal,
): Promise<readonly KubeObject[] | string> {
  const selection = {
    metadataOnly: true,
    ...(namespaced ? { namespace } : {}),
    ...(labelSelector === undefined ? {} : { labelSelector }),
  };
  try {
    return (await client.list(gvk, selection, signal)).items;
  } catch (error) {
    if (error instanceof NoSuchKindError) return [];
    if (isForbidden(error)) return `${gvk.kind} (we may not list them)`;
    throw error;
  }
}
