import { fluxInstance, operatorName } from "../../src/api/names.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { operatorVersion } from "../../src/std/version.ts";
import { bundleName, icon, shown, skipRange } from "./csv.ts";

const channel = "stable";

/** A file-based catalogue with the package, its one channel and the bundle of `csv`, whose image is `bundleImage`. */
export function catalogDocuments(csv: KubeObject, bundleImage: string): readonly JsonObject[] {
  return [
    {
      schema: "olm.package",
      name: operatorName,
      defaultChannel: channel,
      description: textOf(shown()["description"]),
      icon,
    },
    { schema: "olm.channel", package: operatorName, name: channel, entries: [{ name: bundleName, skipRange }] },
    bundleOf(csv, bundleImage),
  ];
}

function bundleOf(csv: KubeObject, image: string): JsonObject {
  const related = listOf(fieldsOf(csv["spec"])["relatedImages"]);
  const kinds = fluxInstance.apiVersions.map((apiVersion) => ({
    type: "olm.gvk",
    value: {
      group: fluxInstance.group,
      kind: fluxInstance.kind,
      version: apiVersion.slice(fluxInstance.group.length + 1),
    },
  }));
  return {
    schema: "olm.bundle",
    name: bundleName,
    package: operatorName,
    image,
    properties: [
      { type: "olm.package", value: { packageName: operatorName, version: operatorVersion } },
      ...kinds,
      { type: "olm.csv.metadata", value: metadataOf(csv) },
    ],
    relatedImages: [{ name: "", image }, ...related],
  };
}

/** What OLM shows before the bundle is pulled. */
function metadataOf({ metadata, spec }: KubeObject): JsonObject {
  const { icon: _icon, version: _version, ...texts } = shown();
  const { installModes = [], customresourcedefinitions } = fieldsOf(spec);
  return {
    annotations: metadata.annotations ?? {},
    apiServiceDefinitions: {},
    crdDescriptions: customresourcedefinitions ?? {},
    labels: metadata.labels ?? {},
    installModes,
    ...texts,
  };
}
