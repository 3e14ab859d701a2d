import type { CanonicalSpec, Component } from "../api/spec.ts";
import type { LiveDigests } from "../distribution/images.ts";
import type { Release } from "../distribution/release.ts";
import type { KubeObject } from "../kube/object.ts";
import type { InstanceRef } from "./rendering.ts";

/**
 * An object on its way through the stages. `component` is set on what a controller's manifest has, `shard` on the copies for a shard. Patches
 * find an object also by its previous names, as in kustomize.
 */
export type Draft = {
  readonly object: KubeObject;
  readonly component?: Component;
  readonly shard?: string;
  readonly previousNames?: readonly string[];
  readonly previousNamespaces?: readonly string[];
};

/** The Deployment of a controller, or of one of its shards. */
export type ControllerDraft = Draft & { readonly component: Component };

/** What every stage may read and none may change. */
export type RenderContext = {
  readonly spec: CanonicalSpec;
  readonly release: Release;
  readonly instance: InstanceRef;
  readonly live: LiveDigests;
};

/** One stage of the rendering: drafts in, drafts out. Pure. Throws RenderError. */
export type Stage = (drafts: readonly Draft[], context: RenderContext) => readonly Draft[];

/** Whether a draft is the Deployment of a controller or shard. */
export function isController(draft: Draft): draft is ControllerDraft {
  return draft.component !== undefined && draft.object.kind === "Deployment";
}

/** Applies `change` to the Deployment of every controller and shard, and leaves all other drafts as they are. */
export function mapControllers(
  drafts: readonly Draft[],
  change: (object: KubeObject, draft: ControllerDraft) => KubeObject,
): readonly Draft[] {
  return drafts.map((draft) => (isController(draft) ? { ...draft, object: change(draft.object, draft) } : draft));
}

/** Applies `change` to every object of a kind. */
export function mapKind(
  drafts: readonly Draft[],
  kind: string,
  change: (object: KubeObject) => KubeObject,
): readonly Draft[] {
  return drafts.map((draft) => (draft.object.kind === kind ? { ...draft, object: change(draft.object) } : draft));
}
