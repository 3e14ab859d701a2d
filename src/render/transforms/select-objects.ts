import type { Component } from "../../api/spec.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Draft, RenderContext } from "../draft.ts";
import { buildFailed } from "../errors.ts";

/**
 * The objects of the release that the spec asks for, and the namespace for them. Throws RenderError for a component that the release does not
 * have.
 */
export function selectObjects({ spec, release, instance }: RenderContext): readonly Draft[] {
  const controllers = spec.components.flatMap((component) => {
    const objects = release.components[component] ?? missingComponent(component, release.version);
    return objects.map((object) => ({ object, component }));
  });
  const policies = spec.cluster.networkPolicy ? release.policies : [];
  return [
    { object: namespaceObject(instance.namespace) },
    ...controllers,
    ...release.rbac.map((object) => ({ object })),
    ...policies.map((object) => ({ object })),
  ];
}

function missingComponent(component: Component, version: string): never {
  throw buildFailed({
    field: "spec.components",
    value: component,
    problem: `is not part of Flux ${version}`,
    remedy:
      component === "source-watcher"
        ? "set spec.distribution.version to 2.7 or later, or remove the component"
        : "remove the component or choose another spec.distribution.version",
  });
}

/** An uninstall keeps the namespace, and the annotation says so. */
function namespaceObject(name: string): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name,
      labels: { "pod-security.kubernetes.io/warn": "restricted", "pod-security.kubernetes.io/warn-version": "latest" },
      annotations: { "fluxcd.controlplane.io/prune": "disabled" },
    },
  };
}
