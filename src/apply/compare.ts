import { deepEqual } from "../std/json.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";

/** Fields that the API server writes by itself, and that say nothing about what the object should be. */
const serverFields = new Set([
  "managedFields",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "uid",
  "selfLink",
]);

/**
 * Whether a server-side apply would change `live`: `dryRun` is what the API server answered to that apply with dryRun=All.
 * Comparing the two answers of the server, and never our manifest with the live object, leaves defaulting, webhooks and
 * the fields of others out of it.
 */
export function wouldChange(live: KubeObject, dryRun: KubeObject): boolean {
  return !deepEqual(comparable(live), comparable(dryRun));
}

/** The object without status and server-written metadata. */
export function comparable(object: KubeObject): JsonObject {
  const { status: _status, metadata, ...rest } = object;
  const kept = Object.entries(metadata).filter(([key]) => !serverFields.has(key));
  return { ...rest, metadata: Object.fromEntries(kept) };
}
