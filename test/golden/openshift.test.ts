import assert from "node:assert/strict";
import { test } from "node:test";
import { embeddedVersions } from "../../src/distribution/load.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { podSpec } from "../../src/render/deployment.ts";
import { readField } from "../../src/render/edit.ts";
import { readRenderInput, render } from "../support/build-from-yaml.ts";

/** What OpenShift's SecurityContextConstraints `restricted-v2` admit: each rule names what would be rejected. */
const restrictedV2: readonly { readonly rule: string; readonly rejected: (pod: JsonObject) => boolean }[] = [
  { rule: "no host network", rejected: (pod) => pod["hostNetwork"] === true },
  { rule: "no host process ids", rejected: (pod) => pod["hostPID"] === true },
  { rule: "no host inter-process communication", rejected: (pod) => pod["hostIPC"] === true },
  { rule: "no user, group or fsGroup of its own", rejected: (pod) => contextsOf(pod).some(choosesUser) },
  { rule: "volumes of the allowed kinds", rejected: (pod) => listOf(pod["volumes"]).some(isForbiddenVolume) },
  { rule: "no host ports", rejected: (pod) => containersOf(pod).some(hasHostPort) },
  { rule: "not privileged", rejected: (pod) => contextsOf(pod).some((context) => context["privileged"] === true) },
  {
    rule: "no privilege escalation",
    rejected: (pod) => contexts(pod).some((context) => context["allowPrivilegeEscalation"] !== false),
  },
  {
    rule: "no capabilities but NET_BIND_SERVICE, all others dropped",
    rejected: (pod) => contexts(pod).some(keepsCapabilities),
  },
  {
    rule: "seccomp profile left to the platform",
    rejected: (pod) => contextsOf(pod).some((context) => context["seccompProfile"] !== undefined),
  },
];
const allowedVolumes = new Set([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
]);

const containersOf = (pod: JsonObject) =>
  [...listOf(pod["containers"]), ...listOf(pod["initContainers"])].map(fieldsOf);
const contexts = (pod: JsonObject) => containersOf(pod).map((container) => fieldsOf(container["securityContext"]));
const contextsOf = (pod: JsonObject) => [fieldsOf(pod["securityContext"]), ...contexts(pod)];

function choosesUser(context: JsonObject): boolean {
  return ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"].some((field) => context[field] !== undefined);
}

function isForbiddenVolume(volume: JsonObject[string]): boolean {
  return Object.keys(fieldsOf(volume)).some((field) => field !== "name" && !allowedVolumes.has(field));
}

function hasHostPort(container: JsonObject): boolean {
  return listOf(container["ports"]).some((port) => fieldsOf(port)["hostPort"] !== undefined);
}

function keepsCapabilities(context: JsonObject): boolean {
  const { add, drop } = fieldsOf(context["capabilities"]);
  const added = listOf(add).map(textOf);
  return !listOf(drop).includes("ALL") || added.some((capability) => capability !== "NET_BIND_SERVICE");
}

function podsOn(type: string, version: string): readonly { readonly name: string; readonly pod: JsonObject }[] {
  const instance = {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace: "flux-system" },
    spec: {
      distribution: { version, registry: "ghcr.io/fluxcd" },
      cluster: { type },
      sharding: { shards: ["a"] },
      storage: { class: "standard", size: "1Gi" },
    },
  };
  return render(readRenderInput(JSON.stringify(instance)))
    .objects.filter(({ kind }) => kind === "Deployment")
    .map((object) => ({ name: object.metadata.name, pod: fieldsOf(readField(object, podSpec)) }));
}

function rejectionsOf(type: string, version: string): readonly string[] {
  return podsOn(type, version).flatMap(({ name, pod }) =>
    restrictedV2.filter(({ rejected }) => rejected(pod)).map(({ rule }) => `${name}: ${rule}`),
  );
}

for (const version of embeddedVersions) {
  test(`restricted-v2 admits every pod of Flux ${version} on OpenShift`, () => {
    assert.deepEqual(rejectionsOf("openshift", version), []);
  });
}

test("restricted-v2 would reject the pods that other clusters get, so the rules above can fail", () => {
  assert.deepEqual(new Set(rejectionsOf("kubernetes", "2.9.4").map((text) => text.split(": ")[1])), rejectedElsewhere);
});
const rejectedElsewhere = new Set(["no user, group or fsGroup of its own", "seccomp profile left to the platform"]);
