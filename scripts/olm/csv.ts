import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fluxInstance, operatorName } from "../../src/api/names.ts";
import { fluxInstanceDescription, fluxInstanceSchema } from "../../src/api/schema/instance.ts";
import { imagesFor } from "../../src/distribution/images.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import { componentNames } from "../../src/distribution/release.ts";
import { fieldsOf } from "../../src/kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { operatorVersion } from "../../src/std/version.ts";
import { parseKubeYaml } from "../../src/std/yaml.ts";
import { defaultInstance } from "../manifests/instance.ts";
import { oldestKubernetes } from "../manifests/operator.ts";
import { specDescriptors, statusDescriptors } from "./descriptors.ts";
import { publisher } from "./publisher.ts";

const root = join(import.meta.dirname, "../..");

/** What an installation consists of, sorted by what becomes of it in a bundle. */
export type BundleParts = {
  readonly namespace: KubeObject;
  readonly deployment: KubeObject;
  /** What the operator may do in the whole cluster, and in its own namespace. */
  readonly clusterRole: KubeObject;
  readonly role: KubeObject;
};

/** The name of the bundle and of its ClusterServiceVersion. */
export const bundleName = `${operatorName}.v${operatorVersion}`;

/** OLM upgrades from any older version at once, so that a catalogue needs no more than one bundle. */
export const skipRange = `<${operatorVersion}`;

export const displayName = "Flux Operator";

const summary = "Installs, configures, upgrades and removes Flux CD from one object, FluxInstance";

/** The ClusterServiceVersion: what OLM installs the operator by, and what catalogues show of it. `image` is the operator's. */
export function clusterServiceVersion(parts: BundleParts, image: string): KubeObject {
  const { namespace, clusterRole, role } = parts;
  return {
    apiVersion: "operators.coreos.com/v1alpha1",
    kind: "ClusterServiceVersion",
    metadata: { name: bundleName, annotations: annotationsOf(namespace, image), labels: platformLabels },
    spec: {
      ...shown(),
      installModes: Object.entries(installModes).map(([type, supported]) => ({ type, supported })),
      install: {
        strategy: "deployment",
        spec: {
          clusterPermissions: [permissionOf(clusterRole)],
          permissions: [permissionOf(role)],
          deployments: [deploymentOf(parts.deployment, image)],
        },
      },
      customresourcedefinitions: { owned: fluxInstance.apiVersions.map(ownedCrd) },
      relatedImages: relatedImages(image),
    },
  };
}

function permissionOf({ rules = [] }: KubeObject): JsonObject {
  return { serviceAccountName: operatorName, rules };
}

/**
 * The operator lives in one namespace with its FluxInstance. For an OperatorGroup of all namespaces, OLM would make a cluster role of what it
 * may do in its own.
 */
const installModes = { OwnNamespace: true, SingleNamespace: false, MultiNamespace: false, AllNamespaces: false };

const platformLabels = {
  "operatorframework.io/arch.amd64": "supported",
  "operatorframework.io/arch.arm64": "supported",
  "operatorframework.io/os.linux": "supported",
};

function annotationsOf({ metadata: { name, labels = {} } }: KubeObject, image: string): { [name: string]: string } {
  const first: JsonObject = { ...onOpenShift(defaultInstance) };
  const rfc = parseKubeYaml(readFileSync(join(root, "examples/flux-instance-rfc.yaml"), "utf8"));
  const template = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
  const features = { disconnected: true, "fips-compliant": false, "proxy-aware": false, "tls-profiles": false };
  return {
    "alm-examples": pretty([first, rfc]),
    "operatorframework.io/initialization-resource": pretty(first),
    "operatorframework.io/suggested-namespace": name,
    "operatorframework.io/suggested-namespace-template": pretty(template),
    "olm.skipRange": skipRange,
    capabilities: "Full Lifecycle",
    categories: "Integration & Delivery",
    containerImage: image,
    description: summary,
    ...Object.fromEntries(
      Object.entries(features).map(([feature, has]) => [`features.operators.openshift.io/${feature}`, String(has)]),
    ),
  };
}

/** Most who read the examples in a console are on OpenShift, whose pods get their user from it. */
function onOpenShift(instance: KubeObject): KubeObject {
  const spec = fieldsOf(instance["spec"]);
  return { ...instance, spec: { ...spec, cluster: { ...fieldsOf(spec["cluster"]), type: "openshift" } } };
}

/** What a catalogue shows, also of a bundle that it has not pulled. */
export function shown(): { readonly [field: string]: JsonValue } {
  return {
    displayName,
    description: readFileSync(join(import.meta.dirname, "description.md"), "utf8"),
    version: operatorVersion,
    maturity: "alpha",
    minKubeVersion: oldestKubernetes,
    keywords: ["flux", "gitops", "continuous delivery"],
    provider: { name: publisher.name },
    maintainers: [{ name: publisher.name, email: publisher.email }],
    links: [{ name: "RFC-0001 Flux Operator", url: publisher.url }],
    icon: [icon],
  };
}

/** The icon as catalogues have it. */
export const icon = {
  base64data: readFileSync(join(import.meta.dirname, "icon.svg")).toString("base64"),
  mediatype: "image/svg+xml",
};

/** OpenShift refuses a user that a pod names; the one that the image names is as good. */
function deploymentOf({ metadata, spec }: KubeObject, image: string): JsonObject {
  const { template, ...rest } = fieldsOf(spec);
  const { spec: podSpec, ...head } = fieldsOf(template);
  const { securityContext, containers, ...pod } = fieldsOf(podSpec);
  const { runAsUser: _user, runAsGroup: _group, ...context } = fieldsOf(securityContext);
  const [container] = containers as readonly [JsonObject];
  const withImage = { ...pod, securityContext: context, containers: [{ ...container, image }] };
  return {
    name: metadata.name,
    label: metadata.labels ?? {},
    spec: { ...rest, template: { ...head, spec: withImage } },
  };
}

function ownedCrd(apiVersion: string): JsonObject {
  const { spec, status } = fluxInstanceSchema.properties;
  return {
    name: fluxInstance.crd,
    version: apiVersion.slice(fluxInstance.group.length + 1),
    kind: fluxInstance.kind,
    displayName: "Flux instance",
    description: fluxInstanceDescription,
    resources: [
      { kind: "Deployment", name: "", version: "v1" },
      { kind: "Service", name: "", version: "v1" },
      { kind: "CustomResourceDefinition", name: "", version: "v1" },
    ],
    specDescriptors: specDescriptors(spec),
    statusDescriptors: statusDescriptors(status),
  };
}

/** The operator's image, and those of the newest Flux by digest, which is what tools for clusters without internet copy. */
function relatedImages(image: string): readonly { readonly name: string; readonly image: string }[] {
  const newest = loadRelease(embeddedVersions.at(-1) ?? "");
  const images = imagesFor(newest, { registry: "ghcr.io/fluxcd", variant: "upstream-alpine" });
  const flux = componentNames.flatMap((name) => {
    const one = images[name];
    return one?.kind === "pinned" ? [{ name, image: `${one.repository}@${one.digest}` }] : [];
  });
  return [{ name: operatorName, image }, ...flux];
}

function pretty(value: JsonValue): string {
  return JSON.stringify(value, null, 2);
}
