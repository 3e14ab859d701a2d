// Tests: src/controllers/flux-instance/act/takeover-notes.test.ts
import type { JsonObject, KubeObject, ObjectMeta } from "../kube/object.ts";

/** What an apply of one object would do. `live` is the object as the API server has it. */
export type PlannedObject =
  | { readonly action: "create"; readonly object: KubeObject; readonly live?: undefined }
  /**
   * It cannot be dry-run yet, because the plan itself brings its kind or its namespace; custom resources are validated against the schema in
   * the plan, and dry-run by `planBlind`.
   */
  | { readonly action: "blind"; readonly object: KubeObject; readonly live?: undefined }
  /** `live` is absent when the ledger knows that nothing has changed. */
  | { readonly action: "unchanged"; readonly object: KubeObject; readonly live?: KubeObject }
  | ConfiguredObject
  /** A CRD that cannot be applied before `migrate` has run: objects may be stored in a version that it drops. */
  | { readonly action: "migrate"; readonly object: KubeObject; readonly live: KubeObject }
  /** An object of a previous owner with other values in immutable fields, so it is deleted first. */
  | { readonly action: "recreate"; readonly object: KubeObject; readonly live: KubeObject };

/** An object whose fields change. */
export type ConfiguredObject = {
  readonly action: "configure";
  readonly object: KubeObject;
  readonly live: KubeObject;
  /** What is applied instead of `object`, when some of its fields are left to other field managers. */
  readonly yielded?: KubeObject;
  /** Whether other field managers keep their fields, because the user allows that or the API server refuses to remove them. */
  readonly shared?: boolean;
  /** Present when other field managers have managed it until now. */
  readonly adoption?: PlannedAdoption;
};

/** How the object is taken over from other field managers; undefined when there are none. */
export function adoptionIn(planned: PlannedObject): PlannedAdoption | undefined {
  return planned.action === "configure" ? planned.adoption : undefined;
}

/** Metadata of the live objects that carry our owner labels, by inventory id. */
export type LiveMetadata = ReadonlyMap<string, ObjectMeta>;

/** JSON pointers of fields that other field managers may own, by inventory id. */
export type IgnoredPaths = ReadonlyMap<string, readonly string[]>;

/** What is to be applied. */
export type Desired = { readonly objects: readonly KubeObject[]; readonly ignoredPaths?: IgnoredPaths };

/** An adoption whose outcome the API server has confirmed. */
export type PlannedAdoption = Adoption & {
  /** Why fields that we do not set stay with their previous owners; absent when they are removed. */
  readonly refusal?: string;
  /** Whether other field managers keep their fields. */
  readonly shared: boolean;
};

/** What has to happen to an object that other field managers have managed, so that the apply that follows removes their fields. */
export type Adoption = {
  /** JSON patch that makes their fields ours and removes their marks; it changes nothing that a controller acts on. */
  readonly operations: readonly JsonObject[];
  /** The field managers whose fields become ours, sorted. */
  readonly managers: readonly string[];
  /** Paths of the fields that the apply then removes, because neither we nor another field manager sets them; sorted. */
  readonly removed: readonly string[];
  /** The object after that, as far as it can be foreseen. */
  readonly after: KubeObject;
  /** Which of the paths in `removed` `object` still has. */
  readonly remaining: (object: KubeObject) => readonly string[];
};
