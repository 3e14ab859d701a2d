import { instanceAnnotations } from "../api/names.ts";
import { reasons } from "../api/reasons.ts";
import { fieldsOf, listOf, textOf } from "../kube/fields.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import type { Look } from "./look-until.ts";

/** Whether an instance is what its spec asks for, by what the operator has written about the latest generation. `name` names it in messages. */
export function readyLook(name: string, instance: KubeObject | undefined): Look {
  if (instance === undefined) return { kind: "waiting", why: `${name} is not there` };
  if (instance.metadata.deletionTimestamp !== undefined) return { kind: "failed", message: `${name} is being deleted` };
  const ready = conditionOf(instance, "Ready");
  const stalled = conditionOf(instance, "Stalled");
  if (stalled?.["status"] === "True")
    return { kind: "failed", message: `${name} cannot become ready: ${say(stalled)}` };
  if (ready === undefined) return { kind: "waiting", why: unseen(name, instance) };
  // What was restored is healthy, but it is not what the spec asks for.
  if (ready["reason"] === reasons.rolledBack)
    return { kind: "failed", message: `${name} was rolled back: ${say(ready)}` };
  if (ready["status"] === "True") return { kind: "done", message: `${name} is ready: ${textOf(ready["message"])}` };
  return { kind: "waiting", why: `${name} is not ready: ${say(ready)}` };
}

/** Whether an instance is deleted; `uid` tells it from one that was created after it. */
export function deletedLook(name: string, uid: string | undefined, instance: KubeObject | undefined): Look {
  if (instance === undefined || instance.metadata.uid !== uid) return { kind: "done", message: `${name} is deleted` };
  const ready = newest(instance, "Ready");
  if (ready?.["reason"] === reasons.uninstalling || ready?.["reason"] === reasons.uninstallFailed)
    return { kind: "waiting", why: `${name} is being deleted: ${textOf(ready["message"])}` };
  return {
    kind: "waiting",
    why: `${name} is being deleted: its operator has not begun to uninstall; see whether its pod runs`,
  };
}

/** The condition, if it tells of the latest generation. */
function conditionOf(instance: KubeObject, type: string): JsonObject | undefined {
  const condition = newest(instance, type);
  return condition?.["observedGeneration"] === instance.metadata.generation ? condition : undefined;
}

function newest(instance: KubeObject, type: string): JsonObject | undefined {
  const conditions = listOf(fieldsOf(instance["status"])["conditions"]).map(fieldsOf);
  return conditions.find((condition) => condition["type"] === type);
}

function say(condition: JsonObject): string {
  return `${textOf(condition["reason"])}: ${textOf(condition["message"])}`;
}

function unseen(name: string, { metadata }: KubeObject): string {
  const { reconcile } = instanceAnnotations;
  if (metadata.annotations?.[reconcile]?.toLowerCase() === "disabled")
    return `${name} is not reconciled: its annotation ${reconcile} is disabled`;
  return `${name} is not ready: its operator has not reconciled the latest change yet; see whether its pod runs`;
}
