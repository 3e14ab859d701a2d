import type { KubeObject } from "../../src/kube/object.ts";

/** A HelmRelease in a version that 2.9 does not serve. */
export function oldHelmRelease(name: string, index: number): KubeObject {
  return {
    apiVersion: "helm.toolkit.fluxcd.io/v2beta2",
    kind: "HelmRelease",
    metadata: { name, namespace: "apps" },
    spec: {
      interval: "5m0s",
      chart: { spec: { chart: name, version: "1.x", sourceRef: { kind: "HelmRepository", name: "charts" } } },
      values: { index, nested: { list: [1, 2, 3] } },
    },
  };
}
