import { operatorName } from "../../src/api/names.ts";
import type { JsonValue, KubeObject } from "../../src/kube/object.ts";
import { operatorVersion } from "../../src/std/version.ts";
import { image, publishedPath } from "../manifests/operator.ts";
import { bundleDockerfile, bundleFiles } from "./bundle.ts";
import { catalogDocuments } from "./catalog.ts";

/** Where the images of bundle and catalogue are published. */
export const bundleImage = `${publishedPath}/flux-operator-bundle:v${operatorVersion}`;
export const catalogImage = `${publishedPath}/flux-operator-catalog:v${operatorVersion}`;

/** The label by which OLM finds the catalogue in its image, and the folder it stands for. */
export const catalogLabels = { "operators.operatorframework.io.index.configs.v1": "/configs" };

/** All of packaging/olm, by path from there: YAML documents, and the text of Dockerfiles. */
export function olmFiles(objects: readonly KubeObject[]): ReadonlyMap<string, string | readonly JsonValue[]> {
  const bundle = [...bundleFiles(objects, image)];
  const csv = bundle.find(([path]) => path.endsWith("clusterserviceversion.yaml"))?.[1] as KubeObject;
  return new Map<string, string | readonly JsonValue[]>([
    ...bundle.map(([path, value]): [string, readonly JsonValue[]] => [`bundle/${path}`, [value]]),
    [`catalog/${operatorName}/catalog.yaml`, catalogDocuments(csv, bundleImage)],
    ["bundle.Dockerfile", bundleDockerfile()],
  ]);
}
