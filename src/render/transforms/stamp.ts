import { ownerLabels } from "../../api/names.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Draft, RenderContext } from "../draft.ts";
import { mergeField, setField } from "../edit.ts";

/** Kinds outside namespaces; all other kinds in the release and the spec are namespaced. */
const clusterKinds: ReadonlySet<string> = new Set([
  "Namespace",
  "CustomResourceDefinition",
  "ClusterRole",
  "ClusterRoleBinding",
]);

/** Sets the instance's namespace on every namespaced object. Patches find the object without a namespace, too, as it was before. */
export function stampNamespace(drafts: readonly Draft[], { instance }: RenderContext): readonly Draft[] {
  return drafts.map((draft) => {
    if (clusterKinds.has(draft.object.kind) || draft.object.metadata.namespace === instance.namespace) return draft;
    const object = setField(draft.object, ["metadata", "namespace"], instance.namespace);
    return { ...draft, object, previousNamespaces: [draft.object.metadata.namespace ?? ""] };
  });
}

/** Sets the labels and annotations by which the operator and Flux recognise what is managed. */
export function stampManaged(objects: readonly KubeObject[], context: RenderContext): readonly KubeObject[] {
  const labels = managedLabels(context);
  return objects.map((object) =>
    mergeField(mergeField(object, ["metadata", "labels"], labels), ["metadata", "annotations"], managedAnnotations),
  );
}

/** Sets `spec.commonMetadata`; the owner labels take precedence, because uninstall and prune rely on them. */
export function stampCommonMetadata(objects: readonly KubeObject[], context: RenderContext): readonly KubeObject[] {
  const { labels, annotations } = context.spec.commonMetadata;
  const owned = { ...labels, ...ownerLabels(context.instance) };
  return objects.map((object) =>
    mergeField(mergeField(object, ["metadata", "labels"], owned), ["metadata", "annotations"], annotations),
  );
}

/** Flux must not apply or prune what the operator manages, even if its objects are in a synced repository. */
const managedAnnotations = {
  "kustomize.toolkit.fluxcd.io/ssa": "Ignore",
  "kustomize.toolkit.fluxcd.io/prune": "Disabled",
};

function managedLabels({ instance, release }: RenderContext): { readonly [label: string]: string } {
  return {
    "app.kubernetes.io/managed-by": "flux-operator",
    "app.kubernetes.io/instance": instance.namespace,
    "app.kubernetes.io/version": `v${release.version}`,
    "app.kubernetes.io/part-of": "flux",
  };
}
