import { describeObject, type ObjectId } from "../kube/object-id.ts";
import { shorten } from "../std/shorten.ts";

/** What became of one object. Logs, events, inventory and prune all read this. */
export type Change = {
  readonly id: ObjectId;
  readonly action: "created" | "configured" | "recreated" | "unchanged" | "deleted" | "kept";
  /** Present when other field managers had managed the object until now. */
  readonly takeover?: Takeover;
  /** Of a deleted object: the API server has accepted the deletion, and a finalizer or dependents still hold the object. */
  readonly isTerminating?: true;
};

/** What became of the fields of an object that other field managers had managed. Fields are named by their paths. */
export type Takeover = {
  /** The field managers whose fields are ours now. */
  readonly managers: readonly string[];
  /** Fields that were removed, because no field manager sets them any more. */
  readonly removed: readonly string[];
  /** Fields that should have been removed, and are still there. */
  readonly remaining: readonly string[];
  /** Why the fields that we do not set have stayed with their previous owners. */
  readonly refusal?: string;
};

/** Called for each object as soon as it has been written or deleted, and not for those that were left as they were. */
export type OnChange = (change: Change) => void;

/** The changes that changed something. */
export function effectiveChanges(changes: readonly Change[]): readonly Change[] {
  return changes.filter((change) => change.action !== "unchanged" && change.action !== "kept");
}

/** One line per changed object, at most `limit` of them, then how many more there are. */
export function formatChanges(changes: readonly Change[], limit = 40): string {
  const lines = effectiveChanges(changes).map((change) => `${describeObject(change.id)} ${change.action}`);
  return shorten(lines, limit).join("\n");
}
