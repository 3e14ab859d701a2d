import assert from "node:assert/strict";
import { test } from "node:test";
import { fluxInstance } from "../api/names.ts";
import type { KubeObject } from "../kube/object.ts";
import { Certificates } from "../oci/certificates.ts";
import { certificateMetric } from "./certificate-metric.ts";

function instanceOf(distribution: { readonly artifact?: string; readonly registry: string }): KubeObject {
  return {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "flux-system" },
    spec: { distribution: { version: "2.x", ...distribution } },
  };
}

const certificates = new Certificates();
for (const host of ["ghcr.io", "registry-1.docker.io", "registry.example.com", "cdn.example.com"])
  certificates.saw(host, "Jan  1 00:00:00 2027 GMT");

for (const { name, distribution, want } of [
  { name: "the registry of the images", distribution: { registry: "ghcr.io/fluxcd" }, want: ["ghcr.io"] },
  {
    name: "that of the artifact too, with its port",
    distribution: { registry: "ghcr.io/fluxcd", artifact: "oci://registry.example.com:5000/flux/manifests:v2" },
    want: ["registry.example.com:5000", "ghcr.io"],
  },
  {
    name: "one host once, Docker Hub by the host that serves it",
    distribution: { registry: "fluxcd", artifact: "oci://docker.io/flux/manifests" },
    want: ["registry-1.docker.io"],
  },
  { name: "no host that was never connected to", distribution: { registry: "quay.io/fluxcd" }, want: [] },
  { name: "no address that cannot be read", distribution: { registry: "", artifact: "ghcr.io/flux" }, want: [] },
])
  test(`certificateMetric() has ${name}`, () =>
    assert.deepEqual(
      certificateMetric({ list: () => [instanceOf(distribution)] }, { certificates }).values(),
      want.map((host) => [{ host }, Date.UTC(2027, 0, 1) / 1000]),
    ));
