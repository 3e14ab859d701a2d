import * as fc from "fast-check";
import type { KubeObject } from "../../src/kube/object.ts";
import type { JsonValue } from "../../src/std/json.ts";
import { formatYaml } from "../../src/std/yaml.ts";
import type { KustomizePatch } from "../support/kustomize.ts";

/** Random objects and patches for both engines, without what is listed in kustomize-differences.ts. */

const names = fc.constantFrom("alpha", "beta", "gamma");
const words = fc.constantFrom("x", "yes", "0644", "a b", "", "true", "#c", "1.10", "ä", "line\nline", "line\n");
const scalars = fc.oneof(words, fc.integer({ min: -5, max: 70_000 }), fc.boolean(), fc.constantFrom(1.5, 1e3, 0));
const json = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 2 },
    scalars,
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b", "name", "on", "x/y", "~z"), tie("value"), { maxKeys: 3 }),
  ),
})).value;

const labelKeys = fc.constantFrom("app", "tier", "example.com/x");
const labels = fc.dictionary(labelKeys, fc.constantFrom("a", "b", "1"), { minKeys: 1 });
/** As people forget the quotes. */
const bareLabels = fc.dictionary(labelKeys, fc.constantFrom<JsonValue>("a", true, 1, 1.5), { minKeys: 1 });

function unique<Item>(item: fc.Arbitrary<Item>, selector: (item: Item) => string): fc.Arbitrary<Item[]> {
  return fc.uniqueArray(item, { minLength: 1, maxLength: 3, selector });
}

const env = unique(fc.record({ name: fc.constantFrom("A", "B", "C", "D"), value: words }), ({ name }) => name);
const mounts = unique(
  fc.record({ name: fc.constantFrom("tmp", "data"), mountPath: fc.constantFrom("/tmp", "/data", "/x") }),
  ({ mountPath }) => mountPath,
);
const protocols = fc.constantFrom("TCP", "UDP");
const numbers = fc.constantFrom(80, 443, 9090);
const containerPorts = fc.oneof(
  unique(fc.record({ containerPort: numbers, protocol: protocols, name: words }), (port) =>
    [port.containerPort, port.protocol].join("/"),
  ),
  unique(fc.record({ containerPort: numbers, name: words }), ({ containerPort }) => String(containerPort)),
);
const targetPort = fc.constantFrom("http", 8080);
const servicePorts = fc.oneof(
  unique(fc.record({ port: numbers, protocol: protocols, targetPort }), (port) => [port.port, port.protocol].join("/")),
  unique(fc.record({ port: numbers, targetPort }), ({ port }) => String(port)),
);
const args = fc.array(fc.constantFrom("--a", "--b=1", "--c"), { maxLength: 3 });

const container = fc.record(
  {
    name: fc.constantFrom("manager", "sidecar", "init"),
    image: words,
    args,
    env,
    ports: containerPorts,
    volumeMounts: mounts,
  },
  { requiredKeys: ["name"] },
);
const volume = fc.record(
  { name: fc.constantFrom("tmp", "data", "extra"), emptyDir: fc.constantFrom({}, { medium: "Memory" }) },
  { requiredKeys: ["name"] },
);
const podSpec = fc.record(
  {
    containers: unique(container, ({ name }) => name),
    volumes: unique(volume, ({ name }) => name),
    imagePullSecrets: unique(fc.record({ name: names }), ({ name }) => name),
    tolerations: fc.array(fc.record({ key: words, operator: fc.constant("Exists") }), { maxLength: 2 }),
    nodeSelector: labels,
    securityContext: fc.record({ fsGroup: fc.constant(1337) }),
    hostNetwork: fc.boolean(),
  },
  { requiredKeys: [] },
);
const workloadSpec = fc.record(
  {
    replicas: fc.integer({ min: 0, max: 3 }),
    selector: fc.record({ matchLabels: labels }),
    strategy: fc.constantFrom({ type: "Recreate" }, { rollingUpdate: { maxSurge: 1 } }),
    template: fc.record({ metadata: fc.record({ labels }), spec: podSpec }, { requiredKeys: ["spec"] }),
  },
  { requiredKeys: ["template"] },
);
const policySpec = fc.record(
  {
    podSelector: fc.constantFrom({}, { matchLabels: { app: "a" } }),
    policyTypes: fc.array(fc.constantFrom("Ingress", "Egress"), { maxLength: 2 }),
    ingress: fc.array(fc.record({ from: fc.constant([{ namespaceSelector: {} }]), ports: servicePorts }), {
      maxLength: 2,
    }),
  },
  { requiredKeys: [] },
);
const rules = fc.array(fc.record({ apiGroups: args, verbs: args }), { maxLength: 2 });

type Kind = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly body: fc.Arbitrary<Record<string, JsonValue>>;
};

const kinds: readonly Kind[] = [
  { apiVersion: "apps/v1", kind: "Deployment", body: fc.record({ spec: workloadSpec }) },
  { apiVersion: "apps/v1", kind: "StatefulSet", body: fc.record({ spec: workloadSpec }) },
  {
    apiVersion: "v1",
    kind: "Service",
    body: fc.record({ spec: fc.record({ ports: servicePorts, selector: labels }) }),
  },
  { apiVersion: "v1", kind: "ConfigMap", body: fc.record({ data: fc.dictionary(fc.constantFrom("k", "l"), words) }) },
  {
    apiVersion: "v1",
    kind: "ServiceAccount",
    body: fc.record({ imagePullSecrets: fc.array(fc.record({ name: names })) }),
  },
  { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", body: fc.record({ spec: policySpec }) },
  { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", body: fc.record({ rules }) },
  { apiVersion: "v1", kind: "Namespace", body: fc.constant({}) },
  { apiVersion: "example.com/v1", kind: "Widget", body: fc.record({ spec: workloadSpec, extra: json }) },
];
/** Kinds that have lists with names, but replace them as a whole. */
const atomicKinds = new Set(["Widget", "ServiceAccount"]);
const clusterScoped = new Set(["ClusterRole", "Namespace"]);

const metadata = fc.record(
  { name: names, namespace: fc.constantFrom("flux-system", "default"), labels, annotations: labels },
  { requiredKeys: ["name"] },
);

function objectOf({ apiVersion, kind, body }: Kind): fc.Arbitrary<KubeObject> {
  const assemble = ([meta, rest]: [KubeObject["metadata"], Record<string, JsonValue>]): KubeObject => {
    const { namespace, ...others } = meta;
    const place = namespace === undefined || clusterScoped.has(kind) ? {} : { namespace };
    return { apiVersion, kind, metadata: { ...others, ...place, name: meta.name }, ...rest };
  };
  return fc.tuple(metadata, body).map(assemble);
}

const anyObject = fc.oneof(...kinds.map(objectOf));
const objects = fc.uniqueArray(anyObject, {
  minLength: 1,
  maxLength: 4,
  selector: ({ kind, metadata: { name, namespace = "default" } }) => `${kind}/${namespace}/${name}`,
});

const target = fc.record(
  {
    group: fc.constantFrom("apps", ".*", "example.com"),
    version: fc.constantFrom("v1", "v[12]"),
    kind: fc.oneof(
      fc.constantFrom("Deployment|StatefulSet", "Cluster.*", ".*"),
      fc.constantFrom(...kinds.map(({ kind }) => kind)),
    ),
    name: fc.constantFrom("alpha", "alph", "(alpha|beta)", ".*a", "[a-b].*", "nope", "alpha|beta"),
    namespace: fc.constantFrom("flux-system", "default", "flux-.*"),
    labelSelector: fc.constantFrom("app", "app=a", "app in (a,b)", "tier!=b", "!tier", "app notin (a)", "app=a,tier"),
    annotationSelector: fc.constantFrom("app", "!app", "tier==1", "example.com/x in (a)"),
  },
  { requiredKeys: [] },
);

/** Every pointer into a value, its own included. */
function pointersOf(value: JsonValue, base = ""): readonly string[] {
  if (typeof value !== "object" || value === null) return [base];
  const below = Object.entries(value).flatMap(([key, item]) =>
    pointersOf(item, `${base}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`),
  );
  return [base, ...below];
}

/** What identifies objects and items stays: merging into what has lost its keys is among the differences. */
const untouched =
  /^$|^\/(apiVersion|kind|metadata|metadata\/(name|namespace|labels|annotations))$|\/(name|mountPath|containerPort|port|protocol)$/;

/** Lists with merge keys and their items. */
const keyedPlace = /\/(containers|volumes|env|ports|volumeMounts|imagePullSecrets)(\/\d+)?$/;

function operationFor(object: KubeObject): fc.Arbitrary<{ readonly [key: string]: JsonValue }> {
  const existing = pointersOf(object).filter((pointer) => !untouched.test(pointer));
  const known = fc.constantFrom(...(existing.length > 0 ? existing : ["/spec"]));
  const loose = existing.filter((pointer) => !keyedPlace.test(pointer));
  const writable = fc.constantFrom(...(loose.length > 0 ? loose : ["/spec"]));
  const grown = fc.tuple(writable, fc.constantFrom("/-", "/0", "/1", "/-1", "/new", "/a~1b", "/x/y", "/99"));
  const path = fc.oneof(
    { weight: 4, arbitrary: writable },
    { weight: 1, arbitrary: grown.map((parts) => parts.join("")) },
  );
  const environments = existing.filter((pointer) => pointer.endsWith("/env"));
  return fc.oneof(
    fc.record({ op: fc.constantFrom("add", "replace"), path, value: json }),
    fc.record({ op: fc.constant("remove"), path: known }),
    fc.record({ op: fc.constantFrom("copy", "move"), from: known, path }),
    known.map((pointer) => ({ op: "test", path: pointer, value: valueAt(object, pointer) })),
    fc.record({
      op: fc.constant("add"),
      path: fc.constantFrom(...(environments.length > 0 ? environments : ["/spec/env"])).map((list) => `${list}/-`),
      value: fc.record({ name: fc.constantFrom("A", "E", "F"), value: words }),
    }),
  );
}

function valueAt(value: JsonValue, pointer: string): JsonValue {
  const parts = pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  return parts.reduce<JsonValue>((current, part) => Object(current)[part] ?? null, value);
}

/** Text of a patch, as YAML or as JSON, with less or more than one line break at its end. */
function textOf(value: JsonValue): fc.Arbitrary<string> {
  const ending = fc.constantFrom("", "\n", "\n\n", " \n");
  return fc
    .tuple(fc.boolean(), ending)
    .map(([yaml, end]) => (yaml ? formatYaml(value).trimEnd() : JSON.stringify(value)) + end);
}

function operationsFor(object: KubeObject): fc.Arbitrary<KustomizePatch> {
  const precise = { kind: object.kind, name: object.metadata.name };
  return fc
    .tuple(fc.array(operationFor(object), { minLength: 1, maxLength: 2 }), fc.option(target, { nil: precise, freq: 2 }))
    .chain(([operations, chosen]) => textOf(operations).map((patch) => ({ patch, target: chosen })));
}

/** A document of the same kind: another random body with some values nulled and some maps and items marked. */
function documentFor(object: KubeObject): fc.Arbitrary<JsonValue> {
  const kind = kinds.find((candidate) => candidate.kind === object.kind);
  if (kind === undefined) throw new Error(`Cannot patch ${object.kind}: it is none of the kinds of this test`);
  const { name, namespace } = object.metadata;
  const place = namespace === undefined ? { name } : { name, namespace };
  const assemble = ([body, labelled, at, mark]: [Record<string, JsonValue>, JsonValue, number, Mark]): JsonValue => ({
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { ...place, ...(labelled === null ? {} : { labels: labelled }) },
    ...marked(body, at, { mark, keyed: !atomicKinds.has(object.kind) }),
  });
  const mark = fc.constantFrom<Mark>("none", "none", "null", "delete", "replace");
  return fc.tuple(kind.body, fc.option(fc.oneof(labels, bareLabels)), fc.nat(), mark).map(assemble);
}

type Mark = "none" | "null" | "delete" | "replace";

/** Puts one mark somewhere into a body: a null, a deleted map or item, a replaced map. */
function marked(
  body: Record<string, JsonValue>,
  at: number,
  { mark, keyed }: { mark: Mark; keyed: boolean },
): Record<string, JsonValue> {
  const copy = structuredClone(body);
  const maps = mapsIn(copy, { isItem: false, inAtomicList: false, keyed }).filter(
    ({ map, inAtomicList, isItem }) => !inAtomicList && !((isItem || map === copy) && mark === "replace"),
  );
  const place = maps[at % Math.max(maps.length, 1)];
  if (place === undefined || mark === "none") return copy;
  if (mark !== "null") place.map["$patch"] = mark;
  else {
    const keys = Object.keys(place.map).filter((key) => !mergeKeys.has(key));
    const key = keys[at % Math.max(keys.length, 1)];
    if (key !== undefined) place.map[key] = null;
  }
  return copy;
}

const mergeKeys = new Set(["name", "mountPath", "containerPort", "port", "protocol"]);
const keyedLists = new Set(["containers", "volumes", "env", "ports", "volumeMounts", "imagePullSecrets"]);

type MapPlace = { readonly map: Record<string, JsonValue>; readonly isItem: boolean; readonly inAtomicList: boolean };

type Inside = { readonly isItem: boolean; readonly inAtomicList: boolean; readonly keyed: boolean };

function mapsIn(value: JsonValue, place: Inside): readonly MapPlace[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  const map = value as Record<string, JsonValue>;
  const below = Object.entries(map).flatMap(([key, item]) => {
    if (!Array.isArray(item)) return mapsIn(item, { ...place, isItem: false });
    return item.flatMap((entry: JsonValue) =>
      mapsIn(entry, {
        isItem: true,
        inAtomicList: place.inAtomicList || !place.keyed || !keyedLists.has(key),
        keyed: place.keyed,
      }),
    );
  });
  return [{ map, ...place }, ...below];
}

function documentPatchFor(object: KubeObject, others: readonly KubeObject[]): fc.Arbitrary<KustomizePatch> {
  const single = fc
    .tuple(
      documentFor(object),
      fc.constantFrom("", "", "", "", "delete", "merge"),
      fc.option(target, { nil: undefined, freq: 2 }),
    )
    .chain(([document, directive, chosen]) => {
      const whole = directive === "" ? document : { $patch: directive, ...Object(document) };
      return textOf(whole).map((patch) =>
        chosen === undefined ? { patch } : { patch, target: { kind: object.kind, ...chosen } },
      );
    });
  const several = fc
    .tuple(documentFor(object), fc.constantFrom(...others).chain(documentFor))
    .map((documents) => ({ patch: documents.map((document) => formatYaml(document)).join("---\n") }));
  return fc.oneof({ weight: 5, arbitrary: single }, { weight: 1, arbitrary: several });
}

export type ObjectCase = { readonly resources: readonly KubeObject[]; readonly patches: readonly KustomizePatch[] };

/** One to four objects and one to three patches made for one of them. */
export const kustomizeCases: fc.Arbitrary<ObjectCase> = objects.chain((resources) => {
  const chosen = fc.constantFrom(...resources);
  const patch = chosen.chain((object) => fc.oneof(operationsFor(object), documentPatchFor(object, resources)));
  return fc.array(patch, { minLength: 1, maxLength: 2 }).map((patches) => ({ resources, patches }));
});

const accounts = ["source", "helm"] as const;
const account = fc.constantFrom(...accounts);
const claim = fc.constantFrom("data", "cache");
const config = fc.constantFrom("settings", "ca");
const right = fc.constantFrom("edit", "view");
const namespace = "flux-system";
const rbac = "rbac.authorization.k8s.io";

function referred(apiVersion: string, kind: string, name: string): KubeObject {
  return { apiVersion, kind, metadata: kind === "ClusterRole" ? { name } : { name, namespace } };
}

/** Everything that others refer to. */
const referredObjects: readonly KubeObject[] = [
  ...accounts.map((name) => referred("v1", "ServiceAccount", name)),
  ...["data", "cache"].map((name) => referred("v1", "PersistentVolumeClaim", name)),
  ...["settings", "ca"].flatMap((name) => [referred("v1", "ConfigMap", name), referred("v1", "Secret", name)]),
  ...["edit", "view"].flatMap((name) => [
    referred(`${rbac}/v1`, "ClusterRole", name),
    referred(`${rbac}/v1`, "Role", name),
  ]),
];

const variable = fc.tuple(fc.constantFrom("configMapKeyRef", "secretKeyRef"), config).map(([from, name]) => ({
  name: "A",
  valueFrom: { [from]: { name, key: "k" } },
}));
const referringVolume = fc.oneof(
  claim.map((claimName) => ({ persistentVolumeClaim: { claimName } })),
  config.map((name) => ({ configMap: { name } })),
  config.map((secretName) => ({ secret: { secretName } })),
  config.map((name) => ({ projected: { sources: [{ configMap: { name } }, { secret: { name } }] } })),
);
const referringPod = fc.record(
  {
    serviceAccountName: account,
    volumes: fc
      .array(referringVolume, { maxLength: 3 })
      .map((list) => list.map((source, index) => Object.assign({ name: `v${index}` }, source))),
    imagePullSecrets: config.map((name) => [{ name }]),
    containers: fc
      .tuple(variable, config)
      .map(([own, name]) => [
        { name: "manager", env: [own], envFrom: [{ configMapRef: { name } }, { secretRef: { name } }] },
      ]),
  },
  { requiredKeys: ["containers"] },
);
const referringDeployment = referringPod.map((spec): KubeObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "controller", namespace },
  spec: { template: { spec } },
}));
const subjects = fc
  .uniqueArray(account, { minLength: 1 })
  .map((list) => list.map((name) => ({ kind: "ServiceAccount", name, namespace })));
const binding = fc
  .record({
    kind: fc.constantFrom("RoleBinding", "ClusterRoleBinding"),
    role: fc.constantFrom("Role", "ClusterRole"),
    right,
    subjects,
  })
  .map(({ kind, role, right: name, subjects: list }): KubeObject => ({
    apiVersion: `${rbac}/v1`,
    kind,
    metadata: kind === "RoleBinding" ? { name: "binding", namespace } : { name: "binding" },
    roleRef: { apiGroup: rbac, kind: kind === "RoleBinding" ? role : "ClusterRole", name },
    subjects: list,
  }));
const grant = config.map((name): KubeObject => ({
  apiVersion: `${rbac}/v1`,
  kind: "Role",
  metadata: { name: "grant", namespace },
  rules: [{ apiGroups: [""], resources: ["secrets"], resourceNames: [name], verbs: ["get"] }],
}));

const renaming = fc.tuple(fc.constantFrom(...referredObjects), fc.constantFrom("first", "second", "third")).map(
  ([
    {
      kind,
      metadata: { name },
    },
    to,
  ]) => ({
    patch: JSON.stringify([{ op: "replace", path: "/metadata/name", value: to }]),
    target: { kind, name },
  }),
);

/** Objects that refer to each other by name, and patches that rename some of those that are referred to. */
export const renamingCases: fc.Arbitrary<ObjectCase> = fc
  .tuple(referringDeployment, binding, grant, fc.array(renaming, { minLength: 1, maxLength: 3 }))
  .map(([deployment, bound, granted, patches]) => ({
    resources: [...referredObjects, deployment, bound, granted],
    patches,
  }));
