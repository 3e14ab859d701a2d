import type { Component } from "../../api/spec.ts";
import { appendArgs } from "../deployment.ts";
import { type Draft, mapControllers, type RenderContext } from "../draft.ts";

const consumers: ReadonlySet<Component> = new Set(["kustomize-controller", "helm-controller"]);

/** With source-watcher, kustomize- and helm-controller accept the artifacts that it makes. */
export function acceptExternalArtifacts(drafts: readonly Draft[], { spec, release }: RenderContext): readonly Draft[] {
  if (!spec.components.includes("source-watcher")) return drafts;
  return mapControllers(drafts, (object, { component }) =>
    consumers.has(component) ? appendArgs(object, release.version, ["--feature-gates=ExternalArtifact=true"]) : object,
  );
}
