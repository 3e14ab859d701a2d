import { fluxInstance, operatorName } from "../../src/api/names.ts";
import type { JsonValue, KubeObject } from "../../src/kube/object.ts";
import { roleName } from "../manifests/operator.ts";
import { clusterServiceVersion, type BundleParts } from "./csv.ts";

/** What a bundle says of itself, in metadata/annotations.yaml and in the labels of its image. */
export const bundleAnnotations: { readonly [annotation: string]: string } = {
  "operators.operatorframework.io.bundle.mediatype.v1": "registry+v1",
  "operators.operatorframework.io.bundle.manifests.v1": "manifests/",
  "operators.operatorframework.io.bundle.metadata.v1": "metadata/",
  "operators.operatorframework.io.bundle.package.v1": operatorName,
  "operators.operatorframework.io.bundle.channels.v1": "stable",
  "operators.operatorframework.io.bundle.channel.default.v1": "stable",
  "operators.operatorframework.io.test.mediatype.v1": "scorecard+v1",
  "operators.operatorframework.io.test.config.v1": "tests/scorecard/",
};

/** A bundle that OLM installs, by path from its folder. `objects` are those of install.yaml, and `image` is the operator's. */
export function bundleFiles(objects: readonly KubeObject[], image: string): ReadonlyMap<string, JsonValue> {
  const sorted = sortParts(objects);
  return new Map<string, JsonValue>([
    [`manifests/${operatorName}.clusterserviceversion.yaml`, clusterServiceVersion(sorted.parts, image)],
    ...sorted.beside.map((object): [string, JsonValue] => [`manifests/${fileName(object)}`, withoutNamespace(object)]),
    ["metadata/annotations.yaml", { annotations: bundleAnnotations }],
    ["tests/scorecard/config.yaml", scorecard],
  ]);
}

/** The Dockerfile that makes an image of the bundle. */
export function bundleDockerfile(): string {
  return [
    "FROM scratch",
    ...Object.entries(bundleAnnotations).map(([label, value]) => `LABEL ${label}=${value}`),
    ...["manifests", "metadata", "tests/scorecard"].map((folder) => `COPY bundle/${folder} /${folder}/`),
    "",
  ].join("\n");
}

type Fate = "in the ClusterServiceVersion" | "beside it" | "left out";

/**
 * What becomes of an object of the installation. Of the roles, only those for users stand beside the ClusterServiceVersion. OLM makes the service
 * account and the bindings itself, and takes no NetworkPolicy before OpenShift 4.20.
 */
function fateOf({ kind, metadata: { name } }: KubeObject): Fate {
  switch (kind) {
    case "Namespace":
    case "Deployment":
    case "Role":
      return "in the ClusterServiceVersion";
    case "ClusterRole":
      return name === roleName ? "in the ClusterServiceVersion" : "beside it";
    case "CustomResourceDefinition":
    case "Service":
      return "beside it";
    case "ServiceAccount":
    case "ClusterRoleBinding":
    case "RoleBinding":
    case "NetworkPolicy":
      return "left out";
    default:
      throw new TypeError(
        `Cannot put ${kind}/${name} into the OLM bundle: scripts/olm/bundle.ts does not know what becomes of it`,
      );
  }
}

function sortParts(objects: readonly KubeObject[]): {
  readonly parts: BundleParts;
  readonly beside: readonly KubeObject[];
} {
  const inside = objects.filter((object) => fateOf(object) === "in the ClusterServiceVersion");
  const the = (kind: string): KubeObject => {
    const [found, ...more] = inside.filter((object) => object.kind === kind);
    if (found === undefined || more.length > 0)
      throw new TypeError(`Cannot make the OLM bundle: install.yaml has not one ${kind}`);
    return found;
  };
  return {
    parts: {
      namespace: the("Namespace"),
      deployment: the("Deployment"),
      clusterRole: the("ClusterRole"),
      role: the("Role"),
    },
    beside: objects.filter((object) => fateOf(object) === "beside it"),
  };
}

function fileName({ apiVersion, kind, metadata: { name } }: KubeObject): string {
  if (kind === "CustomResourceDefinition") return `${fluxInstance.group}_${fluxInstance.plural}.yaml`;
  return `${name}_${apiVersion.replace("/", "_")}_${kind.toLowerCase()}.yaml`;
}

/** OLM chooses the namespace. */
function withoutNamespace(object: KubeObject): KubeObject {
  const { namespace: _namespace, ...metadata } = object.metadata;
  return { ...object, metadata };
}

const scorecardImage = "quay.io/operator-framework/scorecard-test:v1.42.0";

/** The tests of operator-framework's scorecard, for those who have it. */
const scorecard = {
  apiVersion: "scorecard.operatorframework.io/v1alpha3",
  kind: "Configuration",
  metadata: { name: "config" },
  stages: [
    {
      parallel: true,
      tests: [
        ["basic-check-spec", "basic"],
        ["olm-bundle-validation", "olm"],
        ["olm-crds-have-validation", "olm"],
        ["olm-crds-have-resources", "olm"],
        ["olm-spec-descriptors", "olm"],
        ["olm-status-descriptors", "olm"],
      ].map(([test = "", suite = ""]) => ({
        image: scorecardImage,
        entrypoint: ["scorecard-test", test],
        labels: { suite, test: `${test}-test` },
      })),
    },
  ],
};
