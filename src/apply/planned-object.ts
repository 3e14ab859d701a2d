import type { JsonObject, KubeObject, ObjectMeta } from "../kube/object.ts";

/** What an apply of one object would do. `live` is the object as the API server has it. */
export type PlannedObject =
  | { readonly action: "create"; readonly object: KubeObject; readonly live?: undefined }
  /**
   * It cannot be dry-run yet, because the plan itself brings its kind or its namespace; custom resources are held to the schema in the
   * plan, and dry-run by `planBlind`.
   */
  | { readonly action: "blind"; readonly object: KubeObject; readonly live?: undefined }
  /** `live` is absent where the ledger spares the question. */
  | { readonly action: "unchanged"; readonly object: KubeObject; readonly live?: KubeObject }
  | ConfiguredObject
  /** A definition that cannot be applied before `migrate` has run: objects may lie in a version that it drops. */
  | { readonly action: "migrate"; readonly object: KubeObject; readonly live: KubeObject }
  /** An object of others that differs from ours in what never changes, so it is deleted first. */
  | { readonly action: "recreate"; readonly object: KubeObject; readonly live: KubeObject };

/** An object whose fields change. */
export type ConfiguredObject = {
  readonly action: "configure";
  readonly object: KubeObject;
  readonly live: KubeObject;
  /** What is applied in its stead, where some of its fields are left to others. */
  readonly yielded?: KubeObject;
  /** Others may own fields of it, or cannot give them up, so nothing of theirs is taken away. */
  readonly shared?: boolean;
  /** Others have managed it until now. */
  readonly adoption?: PlannedAdoption;
};

/** How the object is taken over from others; undefined where nobody else has managed it. */
export function adoptionIn(planned: PlannedObject): PlannedAdoption | undefined {
  return planned.action === "configure" ? planned.adoption : undefined;
}

/** Metadata of the live objects that carry our owner labels, by inventory id. */
export type LiveMetadata = ReadonlyMap<string, ObjectMeta>;

/** JSON pointers of fields that others may own, by inventory id. */
export type IgnoredPaths = ReadonlyMap<string, readonly string[]>;

/** What is to be applied. */
export type Desired = { readonly objects: readonly KubeObject[]; readonly ignoredPaths?: IgnoredPaths };

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
