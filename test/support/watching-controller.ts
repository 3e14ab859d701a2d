import { labels, ownerLabels } from "../../src/api/names.ts";
import type { KubeObject } from "../../src/kube/object.ts";

const owner = ownerLabels({ namespace: "flux-system", name: "flux" });

/** A controller's Deployment of the instance flux-system/flux; it reconciles what `selector` selects, or everything. */
export function controller(name: string, selector: string | undefined, component = "source-controller"): KubeObject {
  const flag = selector === undefined ? [] : [`--watch-label-selector=${selector}`];
  const args = ["--log-level=info", ...flag];
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "flux-system", labels: { [labels.component]: component, ...owner } },
    spec: { replicas: 1, template: { spec: { containers: [{ name: "manager", args }] } } },
  };
}
