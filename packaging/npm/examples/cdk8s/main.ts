import { fluxInstance, type FluxInstanceSpec } from "@flux-operator/flux-instance-types";
import { ApiObject, App, Chart } from "cdk8s";
import type { Construct } from "constructs";

class Flux extends Chart {
  constructor(scope: Construct, id: string, spec: FluxInstanceSpec) {
    super(scope, id);
    new ApiObject(this, "instance", fluxInstance(spec));
  }
}

const app = new App();
new Flux(app, "flux", {
  distribution: { version: "2.9.x", registry: "ghcr.io/fluxcd" },
  components: ["source-controller", "kustomize-controller"],
  cluster: { type: "aws", size: "medium", multitenant: true },
  sync: {
    kind: "OCIRepository",
    url: "oci://registry.example.com/fleet",
    ref: { semver: ">=1.0.0" },
    path: "clusters/production",
  },
});
app.synth();
