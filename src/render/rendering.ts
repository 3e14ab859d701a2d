import type { Component } from "../api/spec.ts";
import type { ResolvedDigests } from "../distribution/images.ts";
import type { KubeObject } from "../kube/object.ts";
import type { ObjectId } from "../kube/object-id.ts";

/** The instance that is rendered; Flux is installed in its namespace. */
export type InstanceRef = { readonly name: string; readonly namespace: string };

/** One image of the rendered Deployments; `digest` is absent when the image is not pinned. */
export type RenderedImage = {
  readonly name: Component;
  readonly repository: string;
  readonly tag: string;
  readonly digest?: string;
};

/** The objects that the user's patch at `index` has matched; `why` is the field of the spec that keeps out what it would match. */
export type PatchReport = { readonly index: number; readonly matched: readonly ObjectId[]; readonly why?: string };

/** JSON pointers of the fields that other field managers may own, by inventory id of the object; objects without any are left out. */
export type IgnoredPaths = ReadonlyMap<string, readonly string[]>;

/** Images that are not pinned by a digest, and why: a client that can move their tag decides what runs. */
export type Unpinned = { readonly reason: string; readonly components: readonly Component[] };

/** Everything that an instance renders to. Same spec, release and digests, same bytes. */
export type Rendering = {
  /** "2.9.4", without a leading v. */
  readonly version: string;
  /** "v2.9.4@sha256:<64 hex>": digest of the canonical JSON of the objects without common metadata. */
  readonly revision: string;
  readonly objects: readonly KubeObject[];
  readonly images: readonly RenderedImage[];
  readonly patches: readonly PatchReport[];
  /** Absent when `spec.driftIgnore` matches nothing. */
  readonly ignoredPaths?: IgnoredPaths;
  /** The digests of the registry with which images are pinned; absent when there are none. */
  readonly digests?: ResolvedDigests;
  /** Absent when every image of the release is pinned by a digest. */
  readonly unpinned?: Unpinned;
};
