import { listOf } from "../../kube/fields.ts";
import type { KubeObject } from "../../kube/object.ts";
import { podSpec, podTemplate, replaceArg } from "../deployment.ts";
import { type ControllerDraft, type Draft, mapControllers, type RenderContext } from "../draft.ts";
import { edit, mergeField } from "../edit.ts";

/** Sets on every controller, whatever the profile: addresses in this cluster, node selector, pull secret, pod metadata. */
export function configureControllers(drafts: readonly Draft[], context: RenderContext): readonly Draft[] {
  return mapControllers(drafts, (object, draft) => placePod(setAddresses(object, draft, context), context));
}

/** The host name of a Service; Kubernetes expands `$(RUNTIME_NAMESPACE)`. The trailing dot avoids DNS search paths. */
export function serviceHost(name: string, namespace: string, domain: string): string {
  return `${name}.${namespace}.svc.${domain}.`;
}

/** Components that serve artifacts and publish their own address. */
export const servesArtifacts: ReadonlySet<string> = new Set(["source-controller", "source-watcher"]);

function setAddresses(object: KubeObject, { component }: ControllerDraft, context: RenderContext): KubeObject {
  const { release, spec } = context;
  const set = (target: KubeObject, flag: string, value: string) => replaceArg(target, release.version, flag, value);
  let configured = set(set(object, "--watch-all-namespaces", "true"), "--log-level", "info");
  if (component !== "notification-controller") configured = set(configured, "--events-addr", eventsAddress(context));
  if (!servesArtifacts.has(component)) return configured;
  return set(configured, "--storage-adv-addr", serviceHost(component, "$(RUNTIME_NAMESPACE)", spec.cluster.domain));
}

/** Empty turns events off: without notification-controller, no controller would receive them. */
function eventsAddress({ spec, instance }: RenderContext): string {
  if (!spec.components.includes("notification-controller")) return "";
  return `http://${serviceHost("notification-controller", instance.namespace, spec.cluster.domain)}/`;
}

function placePod(object: KubeObject, { spec }: RenderContext): KubeObject {
  const { imagePullSecret } = spec.distribution;
  const labelled = mergeField(object, [...podTemplate, "metadata", "labels"], { "app.kubernetes.io/part-of": "flux" });
  const annotated = mergeField(labelled, [...podTemplate, "metadata", "annotations"], {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
  });
  const placed = mergeField(annotated, [...podSpec, "nodeSelector"], { "kubernetes.io/os": "linux" });
  if (imagePullSecret === undefined) return placed;
  return edit(placed, [...podSpec, "imagePullSecrets"], (secrets) => [...listOf(secrets), { name: imagePullSecret }]);
}
