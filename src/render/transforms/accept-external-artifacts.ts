import type { Component } from "../../api/spec.ts";
import { appendArgs } from "../deployment.ts";
import { type Draft, mapControllers, type RenderContext } from "../draft.ts";

const consumers: ReadonlySet<Component> = new Set(["kustomize-controller", "helm-controller"]);

/** Lets kustomize- and helm-controller accept the artifacts that source-watcher makes, when that is installed. */
export function acceptExternalArtifacts(drafts: readonly Draft[], { spec, release }: RenderContext): readonly Draft[] {
  if (!spec.components.includes("source-watcher")) return drafts;
  return mapControllers(drafts, (object, { component }) =>
    consumers.has(component) ? appendArgs(object, release.version, ["--feature-gates=ExternalArtifact=true"]) : object,
  );
}
