import { buildController } from "./components/controller.ts";
import type { Controller, CrdSchema } from "./components/controller.ts";
import { helmController } from "./components/helm-controller.ts";
import { imageAutomationController } from "./components/image-automation-controller.ts";
import { imageReflectorController } from "./components/image-reflector-controller.ts";
import { kustomizeController } from "./components/kustomize-controller.ts";
import { notificationController } from "./components/notification-controller.ts";
import { sourceController } from "./components/source-controller.ts";
import { sourceWatcher } from "./components/source-watcher.ts";
import { buildPolicies } from "./policies.ts";
import { buildRbac } from "./rbac.ts";
import { componentNames } from "./release.ts";
import type { ComponentName, Release } from "./release.ts";
import { shapesOf } from "./shapes.ts";

/** What differs between releases and is not part of `Shapes`: `data/releases/<version>.json`. */
export type ReleaseFacts = {
  /** "2.9.4", without a leading v. */
  readonly version: string;
  /** Tag of each component's image in the official manifests; a component that the release lacks is absent. */
  readonly components: { readonly [component in ComponentName]?: string };
  readonly images: Release["images"];
  /** Versions of API modules that replace those of the component, when the Go proxy refuses the latter: same CRDs. */
  readonly standIns?: { readonly [component in ComponentName]?: string };
};

/** The CRDs of each component. */
export type ReleaseCrds = { readonly [component in ComponentName]?: readonly CrdSchema[] };

const controllers = {
  "source-controller": sourceController,
  "kustomize-controller": kustomizeController,
  "helm-controller": helmController,
  "notification-controller": notificationController,
  "image-reflector-controller": imageReflectorController,
  "image-automation-controller": imageAutomationController,
  "source-watcher": sourceWatcher,
} satisfies Record<ComponentName, Controller>;

/** Builds the release of `facts` from typed builders, in the terms of the official manifests. Pure. */
export function buildRelease(facts: ReleaseFacts, crds: ReleaseCrds): Release {
  const shapes = shapesOf(facts.version);
  const components = componentNames.flatMap((name) => {
    const tag = facts.components[name];
    if (tag === undefined) return [];
    return [[name, buildController(controllers[name], { tag, crds: crds[name] ?? [], shapes })] as const];
  });
  return {
    version: facts.version,
    components: Object.fromEntries(components),
    rbac: buildRbac(shapes),
    policies: buildPolicies(shapes),
    images: facts.images,
  };
}
