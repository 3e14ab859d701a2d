import type { KubeObject } from "../kube/object.ts";
import { clusterScopedKinds, kindShapes, shapes, type FieldShape } from "./merge-keys-table.ts";

/** Which fields of a value are, or lead to, lists that are merged by key. */
export type Shape = { readonly [field: string]: FieldShape };

const nothingKnown: Shape = {};

/** The shape of a built-in kind; undefined for custom kinds, whose lists are replaced as a whole. */
export function shapeOfKind({ apiVersion, kind }: Pick<KubeObject, "apiVersion" | "kind">): Shape | undefined {
  const name = `${apiVersion}/${kind}`;
  return Object.hasOwn(kindShapes, name) ? shapes[kindShapes[name] ?? ""] : undefined;
}

/** The keys by which the list in `field` is merged: none for a list of scalars, undefined when it is replaced. */
export function mergeKeysOf(shape: Shape | undefined, field: string): readonly string[] | undefined {
  return fieldOf(shape, field)?.keys;
}

/** The shape below `field`: of its value, or of the items of its list. */
export function shapeBelow(shape: Shape | undefined, field: string): Shape {
  return shapes[fieldOf(shape, field)?.of ?? ""] ?? nothingKnown;
}

/** Whether a built-in kind has no namespace; kustomize knows no others. */
export function isClusterScoped({ apiVersion, kind }: Pick<KubeObject, "apiVersion" | "kind">): boolean {
  return clusterScopedKinds.has(`${apiVersion}/${kind}`);
}

function fieldOf(shape: Shape | undefined, field: string): FieldShape | undefined {
  return shape !== undefined && Object.hasOwn(shape, field) ? shape[field] : undefined;
}
