import fc from "fast-check";
import { fieldsOf, listOf, textOf } from "../../../src/kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject, ManagedFieldsEntry } from "../../../src/kube/object.ts";
import { isJsonObject } from "../../../src/std/json.ts";
import { formatFields, parseFields } from "./field-set.ts";

/** One request, the same for both API servers. `name` is "a" or "b"; the runner makes it unique. */
export type Operation = {
  readonly kind: KindName;
  readonly name: string;
} & (
  | { readonly do: "create" | "replace"; readonly body: number; readonly isStale: boolean; readonly manager: string }
  | {
      readonly do: "apply";
      readonly body: number;
      readonly manager: string;
      readonly force: boolean;
      readonly dryRun: boolean;
    }
  | { readonly do: "merge" | "status"; readonly body: number; readonly manager: string }
  | { readonly do: "finalizers"; readonly finalizers: readonly string[] }
  | { readonly do: "managers" }
  | { readonly do: "delete"; readonly isStale: boolean; readonly foreground: boolean; readonly dryRun: boolean }
  | { readonly do: "list"; readonly selector: string }
);

export type KindName =
  | "ConfigMap"
  | "Widget"
  | "OldWidget"
  | "Deployment"
  | "ServiceAccount"
  | "ClusterRole"
  | "Service";

const group = "model.example.com";

/** A custom kind with every sort of list, and two versions. */
export const widgetDefinition: KubeObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `widgets.${group}` },
  spec: {
    group,
    scope: "Namespaced",
    names: { kind: "Widget", listKind: "WidgetList", plural: "widgets", singular: "widget" },
    versions: ["v1", "v1beta1"].map((name) => ({
      name,
      served: true,
      storage: name === "v1",
      subresources: { status: {} },
      schema: {
        openAPIV3Schema: {
          type: "object",
          properties: {
            spec: {
              type: "object",
              properties: {
                size: { type: "integer" },
                tags: { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set" },
                parts: {
                  type: "array",
                  "x-kubernetes-list-type": "map",
                  "x-kubernetes-list-map-keys": ["name"],
                  items: {
                    type: "object",
                    required: ["name"],
                    properties: { name: { type: "string" }, weight: { type: "integer" }, colour: { type: "string" } },
                  },
                },
                order: { type: "array", items: { type: "string" } },
                options: { type: "object", additionalProperties: { type: "string" } },
                nested: { type: "object", properties: { left: { type: "string" }, right: { type: "string" } } },
                free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
              },
            },
            status: {
              type: "object",
              properties: { phase: { type: "string" }, count: { type: "integer" } },
            },
          },
        },
      },
    })),
  },
};

const kinds = {
  ConfigMap: { root: "/api/v1/namespaces/default", apiVersion: "v1", plural: "configmaps", kind: "ConfigMap" },
  ServiceAccount: {
    root: "/api/v1/namespaces/default",
    apiVersion: "v1",
    plural: "serviceaccounts",
    kind: "ServiceAccount",
  },
  Service: { root: "/api/v1/namespaces/default", apiVersion: "v1", plural: "services", kind: "Service" },
  ClusterRole: {
    root: "/apis/rbac.authorization.k8s.io/v1",
    apiVersion: "rbac.authorization.k8s.io/v1",
    plural: "clusterroles",
    kind: "ClusterRole",
  },
  Deployment: {
    root: "/apis/apps/v1/namespaces/default",
    apiVersion: "apps/v1",
    plural: "deployments",
    kind: "Deployment",
  },
  Widget: {
    root: `/apis/${group}/v1/namespaces/default`,
    apiVersion: `${group}/v1`,
    plural: "widgets",
    kind: "Widget",
  },
  OldWidget: {
    root: `/apis/${group}/v1beta1/namespaces/default`,
    apiVersion: `${group}/v1beta1`,
    plural: "widgets",
    kind: "Widget",
  },
} as const satisfies { readonly [name in KindName]: JsonObject };

const labels = [{}, { app: "x" }, { app: "y", tier: "front" }, { tier: "back" }];

const widgetSpecs: readonly JsonObject[] = [
  { size: 1 },
  { size: 2, tags: ["red", "blue"] },
  { tags: ["blue", "green"], options: { a: "1", b: "2" } },
  {
    parts: [
      { name: "wheel", weight: 3 },
      { name: "door", colour: "red" },
    ],
  },
  { parts: [{ name: "door", weight: 4 }, { name: "roof" }], order: ["x", "y"] },
  { order: ["y"], nested: { left: "l" }, options: { b: "3" } },
  { nested: { right: "r" }, free: { any: { thing: [1, 2] } } },
  { free: { any: { other: "x" }, more: "y" } },
];

function container(name: string, image: string, more: JsonObject = {}): JsonObject {
  const fixed = {
    resources: {},
    terminationMessagePath: "/dev/log",
    terminationMessagePolicy: "File",
    imagePullPolicy: "Always",
  };
  return { name, image, ...fixed, ...more };
}

const port = (containerPort: number, name: string): JsonObject => ({ containerPort, name, protocol: "TCP" });

const containerLists: readonly (readonly JsonValue[])[] = [
  [container("manager", "a:1")],
  [container("manager", "a:2", { args: ["--x"], ports: [port(8080, "http"), port(9440, "healthz")] })],
  [container("manager", "a:1", { env: [{ name: "A", value: "1" }], ports: [port(9440, "healthz")] })],
  [container("side", "s:1"), container("manager", "a:1", { env: [{ name: "B", value: "2" }] })],
];

/** As the API server completes it, so that its defaults make no difference. */
function deploymentSpec(number: number): JsonObject {
  return {
    replicas: (number % 3) + 1,
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
    selector: { matchLabels: { app: "x" } },
    strategy: { type: "Recreate" },
    template: {
      metadata: { labels: { app: "x" } },
      spec: {
        containers: containerLists[number % containerLists.length] ?? [],
        restartPolicy: "Always",
        terminationGracePeriodSeconds: 30,
        dnsPolicy: "ClusterFirst",
        securityContext: {},
        schedulerName: "default-scheduler",
      },
    },
  };
}

const rule = (resource: string): JsonObject => ({ apiGroups: [""], resources: [resource], verbs: ["get"] });

const bodies: { readonly [name in KindName]: (number: number) => JsonObject } = {
  ConfigMap: (number) => ({ data: { [`k${number % 3}`]: `${number}`, same: "x" } }),
  ServiceAccount: () => ({}),
  Service: () => ({}),
  ClusterRole: (number) => ({ rules: [rule("pods"), rule("secrets"), rule("events")].slice(number % 3) }),
  Deployment: (number) => ({ spec: deploymentSpec(number) }),
  Widget: (number) => ({ spec: widgetSpecs[number % widgetSpecs.length] ?? {} }),
  OldWidget: (number) => ({ spec: widgetSpecs[number % widgetSpecs.length] ?? {} }),
};

const statuses: readonly JsonObject[] = [{ phase: "new" }, { phase: "old", count: 2 }, { count: 3 }];

/** What a merge patch may hold: part of a body, with something removed. */
function patchOf(kind: KindName, number: number): JsonObject {
  const removed = number % 4 === 0 ? { labels: { app: null } } : { annotations: { note: `${number}` } };
  if (kind === "Deployment") return { metadata: removed, spec: { replicas: number % 3 } };
  if (kind === "Widget" || kind === "OldWidget")
    return {
      metadata: removed,
      spec: number % 5 === 0 ? { options: null, size: 7 } : (widgetSpecs[number % widgetSpecs.length] ?? {}),
    };
  if (kind === "ConfigMap") return { metadata: removed, data: { same: number % 2 === 0 ? null : `${number}` } };
  return { metadata: removed };
}

export const operation: fc.Arbitrary<Operation> = fc
  .tuple(
    fc.constantFrom<KindName>(
      "ConfigMap",
      "Widget",
      "Widget",
      "OldWidget",
      "Deployment",
      "ServiceAccount",
      "ClusterRole",
    ),
    fc.constantFrom("a", "a", "b"),
  )
  .chain(([kind, name]) => {
    const body = fc.nat(11);
    const manager = fc.constantFrom("one", "two");
    const on = { kind: fc.constant(kind), name: fc.constant(name) };
    return fc.oneof(
      {
        weight: 2,
        arbitrary: fc.record({ ...on, do: fc.constant("create" as const), body, isStale: fc.constant(false), manager }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ ...on, do: fc.constant("replace" as const), body, isStale: fc.boolean(), manager }),
      },
      {
        weight: 8,
        arbitrary: fc.record({
          ...on,
          do: fc.constant("apply" as const),
          body,
          manager,
          force: fc.boolean(),
          dryRun: fc.boolean(),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({ ...on, do: fc.constantFrom("merge" as const, "status" as const), body, manager }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          ...on,
          do: fc.constant("finalizers" as const),
          finalizers: fc.subarray(["x.example.com/a", "x.example.com/b"]),
        }),
      },
      { weight: 1, arbitrary: fc.record({ ...on, do: fc.constant("managers" as const) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          ...on,
          do: fc.constant("delete" as const),
          isStale: fc.boolean(),
          foreground: fc.constant(false),
          dryRun: fc.boolean(),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          ...on,
          do: fc.constant("list" as const),
          selector: fc.constantFrom("", "app=x", "tier", "app notin (x)", "!tier"),
        }),
      },
    );
  });

export type ServerRequest = {
  readonly method: string;
  readonly path: string;
  readonly contentType?: string;
  readonly body?: JsonValue;
};

/** The request that the operation stands for, where `live` is the object as that server has it. */
export function requestOf(operation: Operation, unique: string, live: KubeObject | undefined): ServerRequest {
  const { root, apiVersion, plural, kind } = kinds[operation.kind];
  const name = `${unique}-${operation.name}`;
  const one = `${root}/${plural}/${name}`;
  const full = (number: number, more: JsonObject = {}): JsonObject => ({
    apiVersion,
    kind,
    metadata: { name, labels: { run: unique, ...labels[number % labels.length] }, ...more },
    ...bodies[operation.kind](number),
  });
  const validated = "fieldValidation=Strict";
  switch (operation.do) {
    case "create": {
      const path = `${root}/${plural}?fieldManager=${operation.manager}&${validated}`;
      return { method: "POST", path, body: full(operation.body) };
    }
    case "replace": {
      const version = operation.isStale ? "1" : live?.metadata.resourceVersion;
      const body = full(operation.body, version === undefined ? {} : { resourceVersion: version });
      return { method: "PUT", path: `${one}?fieldManager=${operation.manager}&${validated}`, body };
    }
    case "apply": {
      const dry = operation.dryRun ? "&dryRun=All" : "";
      const path = `${one}?fieldManager=${operation.manager}&force=${operation.force}&${validated}${dry}`;
      return { method: "PATCH", path, contentType: "application/apply-patch+yaml", body: full(operation.body) };
    }
    case "merge":
      return {
        method: "PATCH",
        path: `${one}?fieldManager=${operation.manager}`,
        body: patchOf(operation.kind, operation.body),
      };
    case "status": {
      const isPlain = !["Widget", "OldWidget"].includes(operation.kind);
      const value = isPlain ? { replicas: operation.body + 1 } : (statuses[operation.body % statuses.length] ?? {});
      const path = `${one}/status?fieldManager=${operation.manager}`;
      if (["Widget", "OldWidget", "Deployment"].includes(operation.kind))
        return { method: "PATCH", path, body: { status: value } };
      return { method: "GET", path: one };
    }
    case "finalizers":
      return {
        method: "PATCH",
        path: `${one}?fieldManager=one`,
        body: { metadata: { finalizers: operation.finalizers } },
      };
    case "managers": {
      const entries = live?.metadata.managedFields ?? [];
      const renamed = entries.map((entry) =>
        entry.manager === "two" ? Object.assign({}, entry, { manager: "three" }) : entry,
      );
      const body = [{ op: "add", path: "/metadata/managedFields", value: renamed }] as JsonValue;
      return { method: "PATCH", path: `${one}?fieldManager=one`, contentType: "application/json-patch+json", body };
    }
    case "delete": {
      const dryRun = operation.dryRun ? { dryRun: ["All"] } : {};
      const preconditions = operation.isStale ? { preconditions: { uid: "00000000-0000-0000-0000-000000000000" } } : {};
      const propagationPolicy = operation.foreground ? "Foreground" : "Background";
      const body = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy, ...preconditions, ...dryRun };
      return { method: "DELETE", path: one, body };
    }
    case "list": {
      const selector = [`run=${unique}`, operation.selector].filter((one) => one !== "").join(",");
      return { method: "GET", path: `${root}/${plural}?labelSelector=${encodeURIComponent(selector)}` };
    }
    default:
      throw new Error(`${JSON.stringify(operation satisfies never)} is no operation`);
  }
}

/** The path of the object that the operation is about. */
export function pathOfOperation(operation: Operation, unique: string): string {
  const { root, plural } = kinds[operation.kind];
  return `${root}/${plural}/${unique}-${operation.name}`;
}

/** What of an answer is the same with every API server: names for what each server makes up, and no words. */
export class Names {
  readonly #uids = new Map<string, string>();
  readonly #versions = new Map<string, string>();

  answer(status: number, body: JsonValue): JsonValue {
    if (!isJsonObject(body)) return { status };
    if (body["kind"] === "Status") {
      const details = fieldsOf(body["details"]);
      const causes = listOf(details["causes"]).map((cause) => fieldsOf(cause)["reason"] ?? "");
      const { reason = "", status: outcome = "" } = body;
      return { status, outcome, reason, name: details["name"] ?? "", causes };
    }
    if (body["items"] !== undefined)
      return { status, items: listOf(body["items"]).map((item) => this.object(item as KubeObject)) };
    return { status, object: this.object(body as KubeObject) };
  }

  object(object: KubeObject): JsonValue {
    const { managedFields, creationTimestamp: _, ...metadata } = object.metadata;
    const { apiVersion: __, kind: ___, status = {}, ...rest } = object as KubeObject & { readonly status?: JsonObject };
    const known = {
      ...metadata,
      ...(metadata.uid === undefined ? {} : { uid: nameOf(this.#uids, metadata.uid) }),
      ...(metadata.resourceVersion === undefined
        ? {}
        : { resourceVersion: nameOf(this.#versions, metadata.resourceVersion) }),
      ...(metadata.deletionTimestamp === undefined ? {} : { deletionTimestamp: "set" }),
    };
    return { ...rest, status, metadata: known, managers: (managedFields ?? []).map(managerOf).toSorted(byText) };
  }
}

function byText(left: JsonObject, right: JsonObject): number {
  return JSON.stringify(left) < JSON.stringify(right) ? -1 : 1;
}

function nameOf(names: Map<string, string>, value: string): string {
  const known = names.get(value) ?? `#${names.size + 1}`;
  names.set(value, known);
  return known;
}

/** Fields that lie above others are left out: which of them an update owns depends on the Go types of the kind. */
function managerOf({
  manager = "",
  operation = "",
  apiVersion = "",
  subresource = "",
  fieldsV1,
}: ManagedFieldsEntry): JsonObject {
  const fields = parseFields(fieldsV1);
  const all = [...fields];
  const leaves = new Set(all.filter((path) => !all.some((other) => other.startsWith(`${path}\u0001`))));
  return { manager, operation, apiVersion, subresource, fields: textOf(JSON.stringify(formatFields(leaves))) };
}
