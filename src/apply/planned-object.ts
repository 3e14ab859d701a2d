import type { JsonObject, KubeObject, ObjectMeta } from "../kube/object.ts";

/**
 * What an apply of one object would do. `blind` objects cannot be dry-run yet, because the plan itself brings their kind or
 * their namespace; custom resources are held to the schema in the plan, and dry-run by `planBlind`. `migrate` definitions cannot be applied before `migrate` has been there: objects may lie in a version that goes.
 * `recreate` objects of others differ from ours in what never changes, so they are deleted first.
 */
export type PlannedObject = {
  readonly object: KubeObject;
  /** What is applied in its stead, where some of its fields are left to others. */
  readonly yielded?: KubeObject;
  /** Others may own fields of it, or cannot give them up, so nothing of theirs is taken away. */
  readonly shared?: boolean;
  readonly action: "create" | "configure" | "unchanged" | "blind" | "migrate" | "recreate";
  /** As the API server has it; absent where there is none, and where the ledger spares the question. */
  readonly live?: KubeObject;
  /** Others have managed it until now. */
  readonly adoption?: PlannedAdoption;
};

/** Metadata of the live objects that carry our owner labels, by inventory id. */
export type LiveMetadata = ReadonlyMap<string, ObjectMeta>;

/** JSON pointers of fields that others may own, by inventory id. */
export type IgnoredPaths = ReadonlyMap<string, readonly string[]>;

/** What is to be applied. */
export type Wanted = { readonly objects: readonly KubeObject[]; readonly ignoredPaths?: IgnoredPaths };

/** An adoption whose outcome the API server has confirmed. */
export type PlannedAdoption = Adoption & {
  /** Why fields that we do not want stay with whoever set them; absent when they go. */
  readonly refusal?: string;
  /** Others may own fields of the object, so nothing of theirs goes. */
  readonly shared: boolean;
};

/** What has to happen to an object that others have managed, so that the apply that follows leaves nothing of theirs. */
export type Adoption = {
  /** JSON patch that gives their fields to us and takes off their marks; it changes nothing that a controller acts on. */
  readonly operations: readonly JsonObject[];
  /** Whose fields become ours, sorted. */
  readonly managers: readonly string[];
  /** Paths of what the apply then takes away, because we do not want it and nobody else holds it, sorted. */
  readonly removed: readonly string[];
  /** The object after that, as far as it can be foreseen. */
  readonly after: KubeObject;
  /** Which of these paths an object still has. */
  readonly remaining: (object: KubeObject) => readonly string[];
};
