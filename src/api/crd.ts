import { isJsonObject } from "../std/json.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { fluxInstance } from "./names.ts";
import { rules, type Rule } from "./rules.ts";
import { fluxInstanceDescription, fluxInstanceSchema } from "./schema/instance.ts";

/** Those of the Go operator keep their names and their order; with `priority` 1 they are shown by `-o wide` only. */
const printerColumns: readonly JsonObject[] = [
  { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: "Version", type: "string", jsonPath: ".status.lastAppliedVersion" },
  { name: "Status", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].message' },
  { name: "UpToDate", type: "string", jsonPath: '.status.conditions[?(@.type=="UpToDate")].status', priority: 1 },
  { name: "Latest", type: "string", jsonPath: ".status.latestVersion", priority: 1 },
  { name: "Revision", type: "string", jsonPath: ".status.lastAttemptedRevision", priority: 1 },
];

/** The CustomResourceDefinition of FluxInstance: one schema with the rules in it, served as v1 (stored) and v1alpha1. */
export function fluxInstanceCrd(): KubeObject {
  const schema = rootSchema();
  const [storage, ...others] = fluxInstance.apiVersions.map((apiVersion) =>
    apiVersion.slice(fluxInstance.group.length + 1),
  );
  const version = (name: string | undefined): JsonObject => ({
    name: name ?? "",
    served: true,
    storage: name === storage,
    schema: { openAPIV3Schema: schema },
    subresources: { status: {} },
    additionalPrinterColumns: printerColumns,
  });
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: fluxInstance.crd },
    spec: {
      group: fluxInstance.group,
      names: {
        kind: fluxInstance.kind,
        listKind: fluxInstance.listKind,
        plural: fluxInstance.plural,
        singular: fluxInstance.singular,
        categories: ["fluxcd", "fluxcd-appliers"],
      },
      scope: "Namespaced",
      conversion: { strategy: "None" },
      versions: [storage, ...others].map(version),
    },
  };
}

/** The structural schema. The API server allows no more of metadata than that it is an object. */
function rootSchema(): JsonObject {
  const { properties } = fluxInstanceSchema;
  return withRules("", {
    description: fluxInstanceDescription,
    type: "object",
    required: ["spec"],
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      spec: structural("spec", properties["spec"]),
      // As the CRDs of Flux have it: kstatus, by which Helm and Flux wait, takes an object without a status for ready.
      status: { ...structural("status", properties["status"]), default: { observedGeneration: -1 } },
    },
  });
}

/** Keywords of JSON Schema that structural schemas do not have, and ours; the rest is copied. */
const translated = new Set([
  "properties",
  "items",
  "additionalProperties",
  "uniqueItems",
  "absent",
  "listKeys",
  "words",
  "orMap",
]);

/** One node of the declaration as a structural schema (KEP-1027) with the rules of `path`. */
function structural(path: string, node: unknown): JsonObject {
  if (!isJsonObject(node)) throw new TypeError(`Cannot make a CRD schema: ${path} is no schema`);
  const { properties, items, additionalProperties, uniqueItems, listKeys } = node;
  const copied = Object.entries(node).filter(([keyword]) => !translated.has(keyword));
  const below = isJsonObject(properties) ? Object.entries(properties) : [];
  return withRules(path, {
    ...Object.fromEntries(copied),
    ...(below.length > 0 && {
      properties: Object.fromEntries(below.map(([name, value]) => [name, structural(`${path}.${name}`, value)])),
    }),
    ...(items !== undefined && { items: structural(`${path}[]`, items) }),
    ...(isJsonObject(additionalProperties) && { additionalProperties: structural(`${path}{}`, additionalProperties) }),
    ...(uniqueItems === true && { "x-kubernetes-list-type": "set" }),
    ...(listKeys !== undefined && { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": listKeys }),
  });
}

function withRules(path: string, schema: JsonObject): JsonObject {
  const own = rules.filter(({ at }) => at === path);
  return own.length === 0 ? schema : { ...schema, "x-kubernetes-validations": own.map(validation) };
}

function validation({ at, field, rule, message }: Rule): JsonValue {
  const fieldPath = at === "" || field === undefined ? {} : { fieldPath: `.${field}` };
  return { rule, message, ...fieldPath };
}
