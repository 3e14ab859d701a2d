import type { JsonObject } from "../../../src/kube/object.ts";
import { fieldsOf, listOf, textOf } from "../../../src/kube/fields.ts";

/** How server-side apply merges a value: maps key by key and lists as a whole, unless said otherwise. */
export type MergeType = {
  /** Replaced as a whole. */
  readonly atomic?: true;
  /** A list whose items are told apart by these fields. */
  readonly keys?: readonly string[];
  /** A list of different scalars. */
  readonly set?: true;
  readonly fields?: { readonly [name: string]: MergeType };
  /** Of all items of a list, or of all values of a map. */
  readonly each?: MergeType;
};

/** Values of key fields that are absent. */
export const keyDefaults: { readonly [field: string]: string } = { protocol: "TCP" };

const atomic: MergeType = { atomic: true };
const selector = atomic;
const byName: MergeType = { keys: ["name"] };

const metadata: MergeType = {
  fields: { finalizers: { set: true }, ownerReferences: { keys: ["uid"], each: atomic } },
};

const container: MergeType = {
  fields: {
    env: { keys: ["name"], each: { fields: { valueFrom: { fields: { fieldRef: atomic, secretKeyRef: atomic } } } } },
    ports: { keys: ["containerPort", "protocol"] },
    volumeMounts: { keys: ["mountPath"] },
  },
};

const podSpec: MergeType = {
  fields: {
    containers: { keys: ["name"], each: container },
    initContainers: { keys: ["name"], each: container },
    volumes: byName,
    imagePullSecrets: { keys: ["name"], each: atomic },
    nodeSelector: atomic,
    topologySpreadConstraints: {
      keys: ["topologyKey", "whenUnsatisfiable"],
      each: { fields: { labelSelector: atomic } },
    },
  },
};

const conditions: MergeType = { fields: { conditions: { keys: ["type"] } } };
const withStatus = (spec: MergeType): MergeType => ({ fields: { metadata, spec, status: conditions } });

/** The built-in kinds of which Flux is made. Source: the OpenAPI document of Kubernetes, x-kubernetes-list-type and x-kubernetes-map-type. */
const builtIn: { readonly [kind: string]: MergeType } = {
  Deployment: withStatus({
    fields: { selector, template: { fields: { metadata, spec: podSpec } } },
  }),
  ReplicaSet: withStatus({ fields: { selector, template: { fields: { metadata, spec: podSpec } } } }),
  Pod: withStatus(podSpec),
  Service: withStatus({ fields: { selector: atomic, ports: { keys: ["port", "protocol"] } } }),
  ServiceAccount: { fields: { metadata, secrets: byName } },
  NetworkPolicy: withStatus({ fields: { podSelector: atomic } }),
  CustomResourceDefinition: withStatus({}),
  ClusterRole: { fields: { metadata } },
  ClusterRoleBinding: { fields: { metadata, roleRef: atomic } },
};

/** How objects of a built-in kind are merged. */
export function mergeTypeOfKind(kind: string): MergeType {
  return builtIn[kind] ?? withStatus({});
}

/** How custom resources with this OpenAPI schema are merged. */
export function mergeTypeOfSchema(schema: JsonObject): MergeType {
  const own = typeOf(schema);
  return { ...own, fields: { ...own.fields, metadata } };
}

function typeOf(schema: JsonObject): MergeType {
  const listType = schema["x-kubernetes-list-type"];
  const isAtomic = schema["x-kubernetes-map-type"] === "atomic";
  const properties = Object.entries(fieldsOf(schema["properties"])).map(
    ([name, property]) => [name, typeOf(fieldsOf(property))] as const,
  );
  const each = schema["items"] ?? schema["additionalProperties"];
  return {
    ...(isAtomic ? { atomic: true } : {}),
    ...(listType === "map" ? { keys: listOf(schema["x-kubernetes-list-map-keys"]).map(textOf) } : {}),
    ...(listType === "set" ? { set: true } : {}),
    ...(properties.length === 0 ? {} : { fields: Object.fromEntries(properties) }),
    ...(each === undefined ? {} : { each: typeOf(fieldsOf(each)) }),
  };
}
