import type { JsonObject } from "../../kube/object.ts";
import { editManager, podSpec } from "../deployment.ts";
import { type Draft, mapControllers, mapKind, type RenderContext } from "../draft.ts";
import { removeField } from "../edit.ts";

/** Removes security settings on OpenShift, which chooses users and seccomp profiles itself and rejects pods that set them. */
export function fitClusterType(drafts: readonly Draft[], { spec, release }: RenderContext): readonly Draft[] {
  if (spec.cluster.type !== "openshift") return drafts;
  const pods = mapControllers(drafts, (object) =>
    editManager(removeField(object, [...podSpec, "securityContext"]), release.version, withoutUser),
  );
  return mapKind(pods, "Namespace", (object) => {
    const unwarned = removeField(object, ["metadata", "labels", "pod-security.kubernetes.io/warn"]);
    return removeField(unwarned, ["metadata", "labels", "pod-security.kubernetes.io/warn-version"]);
  });
}

function withoutUser(container: JsonObject): JsonObject {
  return removeField(removeField(container, ["securityContext", "seccompProfile"]), [
    "securityContext",
    "runAsNonRoot",
  ]);
}
