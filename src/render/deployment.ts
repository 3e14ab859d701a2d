import { fieldsOf, listOf, textOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { nameObject } from "../kube/object-id.ts";
import { edit, readField } from "./edit.ts";
import { notUnderstood } from "./errors.ts";

/** The path of the pod template in a Deployment. */
export const podTemplate = ["spec", "template"] as const;
/** The path of the pod spec in a Deployment. */
export const podSpec = ["spec", "template", "spec"] as const;
const containersPath = [...podSpec, "containers"];

/**
 * A copy of the Deployment with its container `manager` changed. Throws RenderError (NeedsNewerOperator), which names `version`, when there is
 * none.
 */
export function editManager(
  object: KubeObject,
  version: string,
  change: (container: JsonObject) => JsonObject,
): KubeObject {
  const containers = listOf(readField(object, containersPath));
  if (!containers.some(isManager)) throw notUnderstood(version, nameObject(object), "container manager");
  return edit(object, containersPath, () =>
    containers.map((container) => (isManager(container) ? change(fieldsOf(container)) : container)),
  );
}

/** The container that runs the controller; undefined when a patch has removed or renamed it. */
export function managerOf(object: KubeObject): JsonObject | undefined {
  const manager = listOf(readField(object, containersPath)).find(isManager);
  return manager === undefined ? undefined : fieldsOf(manager);
}

/** Appends arguments to the container `manager`. Throws as `editManager`. */
export function appendArgs(object: KubeObject, version: string, args: readonly string[]): KubeObject {
  if (args.length === 0) return object;
  return editManager(object, version, (container) => ({ ...container, args: [...listOf(container["args"]), ...args] }));
}

/**
 * Changes the value of a flag that the release sets, at its position. `flag` is like "--events-addr". Throws RenderError (NeedsNewerOperator)
 * when the flag is missing.
 */
export function replaceArg(object: KubeObject, version: string, flag: string, value: string): KubeObject {
  return editManager(object, version, (container) => {
    const args = listOf(container["args"]);
    const index = args.findIndex((arg) => isFlag(arg, flag));
    if (index === -1) throw notUnderstood(version, nameObject(object), `flag ${flag}`);
    const width = args[index] === flag && isValue(args[index + 1]) ? 2 : 1;
    return { ...container, args: args.toSpliced(index, width, `${flag}=${value}`) };
  });
}

function isManager(container: JsonValue): boolean {
  return textOf(fieldsOf(container)["name"]) === "manager";
}

/** Whether what follows a flag is its value, and not the next flag. */
function isValue(arg: JsonValue | undefined): boolean {
  return arg !== undefined && !textOf(arg).startsWith("-");
}

function isFlag(arg: JsonValue, flag: string): boolean {
  return arg === flag || textOf(arg).startsWith(`${flag}=`);
}
