import { FluxInstance, FluxOperator } from "@flux-operator/pulumi";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();

const operator = new FluxOperator("flux-operator", {
  chart: config.require("chart"),
  values: { logLevel: "info", resources: { limits: { memory: "512Mi" } } },
});

const flux = new FluxInstance("flux", {
  operator,
  spec: {
    distribution: { version: config.get("fluxVersion") ?? "2.9.x", registry: "ghcr.io/fluxcd" },
    components: ["source-controller", "kustomize-controller"],
    cluster: { type: "kubernetes", networkPolicy: true },
  },
});

/** The version of Flux that runs. */
export const version = flux.status.lastAppliedVersion;
