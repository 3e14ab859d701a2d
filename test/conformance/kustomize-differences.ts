import { scalarText } from "../../src/patch/scalar-text.ts";
import { isJsonObject, type JsonValue } from "../../src/std/json.ts";
import type { KustomizeCase, KustomizeOutcome } from "../support/kustomize.ts";

type Difference = {
  readonly name: string;
  readonly reason: string;
  readonly explains: (own: KustomizeOutcome, their: KustomizeOutcome, entry: KustomizeCase) => boolean;
};

/** Where random cases may end otherwise than in kustomize, each for the better. */
const differences: readonly Difference[] = [
  {
    name: "duplicate keys in the result are refused",
    reason: "server-side apply takes no such object; the patch that made it is named",
    explains: (own, their) => saysNo(own, /it makes duplicate keys/) && their.kind === "built",
  },
  {
    name: "a reference in a shape that patches broke is passed over",
    reason: "kustomize gives up on it although nothing was renamed; the API server judges such an object",
    explains: (own, their) => own.kind === "built" && saysNo(their, /updating name reference|panic: runtime error/),
  },
  {
    name: "bookkeeping is not seen by test",
    reason:
      "kustomize keeps notes in the annotations of an object while it patches it, so a test of all annotations never holds there",
    explains: (own, their) => own.kind === "built" && saysNo(their, /testing value \/metadata(\/annotations)? failed/),
  },
  {
    name: "an item without its merge key is refused",
    reason: "kustomize drops items of the object in silence",
    explains: (own, their) => saysNo(own, /by which this list is merged; add it/) && their.kind === "built",
  },
  {
    name: "a copy from a path that does not exist is refused",
    reason: "kustomize puts a null in its place, which the API server drops: the patch does nothing in silence",
    explains: (own, their) => saysNo(own, /\(copy [^)]*\): \S+ does not exist/) && their.kind === "built",
  },
  {
    name: "a map that says $patch: delete of itself is deleted",
    reason: "kustomize fails on such a field of a kind that it does not know",
    explains: (own, their) =>
      own.kind === "built" && saysNo(their, /wrong node kind: expected ScalarNode but got MappingNode/),
  },
  {
    name: "a number or boolean in the place of a quoted text stays what it is",
    reason: "kustomize keeps the quotes of the text that it replaces, which objects do not have",
    explains: (own, their) => own.kind === "built" && their.kind === "built" && quotedOnly(own.objects, their.objects),
  },
  {
    name: "two objects of one name are refused after each patch",
    reason: "kustomize looks at the end only; in between, later patches and references cannot tell them apart",
    explains: (own, their) => saysNo(own, /it makes a second \S+; rename one/) && their.kind === "built",
  },
  {
    name: "a port without protocol that may be any of several is refused",
    reason: "kustomize drops the change in silence",
    explains: (own, their) => saysNo(own, /fits several items; name all of/) && their.kind === "built",
  },
  {
    name: "a label that is no text becomes text in every document",
    reason:
      "kustomize does so where the patch has a target, and leaves a label that the API server refuses where it has none",
    explains: (own, their) =>
      own.kind === "built" &&
      their.kind === "built" &&
      quotedOnly(own.objects.map(withTextLabels), their.objects.map(withTextLabels)),
  },
  {
    name: "a port without protocol is the one of that number",
    reason: "kustomize drops such a port, or what the patch says of it, in silence",
    explains: (own, their, { patches }) =>
      own.kind === "built" &&
      their.kind === "built" &&
      patches.some(({ patch }) => /[pP]ort"?:/.test(patch)) &&
      quotedOnly(
        own.objects.map(withTextLabels).map(withoutPorts),
        their.objects.map(withTextLabels).map(withoutPorts),
      ),
  },
];

function withTextLabels(object: JsonValue): JsonValue {
  const { metadata, ...rest } = Object(object);
  if (!isJsonObject(metadata) || !isJsonObject(metadata["labels"])) return object;
  const labels = Object.fromEntries(Object.entries(metadata["labels"]).map(([key, value]) => [key, scalarText(value)]));
  return { ...rest, metadata: { ...metadata, labels } };
}

function withoutPorts(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item: JsonValue) => withoutPorts(item));
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value).filter(([key]) => key !== "ports");
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutPorts(item)]));
}

/** Whether the values are equal but for scalars that the other side has as text. Objects may stand in another order. */
function quotedOnly(own: readonly JsonValue[], their: readonly JsonValue[]): boolean {
  return own.length === their.length && own.every((object) => their.some((other) => equalButQuoted(object, other)));
}

function equalButQuoted(own: JsonValue | undefined, their: JsonValue | undefined): boolean {
  if (isJsonObject(own) && isJsonObject(their)) {
    return Object.keys({ ...own, ...their }).every((key) => equalButQuoted(own[key], their[key]));
  }
  if (Array.isArray(own) && Array.isArray(their)) {
    return own.length === their.length && own.every((item: JsonValue, index) => equalButQuoted(item, their[index]));
  }
  return own === their || ((typeof own === "number" || typeof own === "boolean") && String(own) === their);
}

/** Why the outcomes may differ; undefined when nothing explains it. */
export function knownDifference(
  entry: KustomizeCase,
  own: KustomizeOutcome,
  their: KustomizeOutcome,
): string | undefined {
  return differences.find(({ explains }) => explains(own, their, entry))?.name;
}

function saysNo(outcome: KustomizeOutcome, words: RegExp): boolean {
  return outcome.kind === "refused" && words.test(outcome.message);
}

/** A difference on purpose that has a form of its own: what becomes of a part of one object (undefined: refused) here and there. */
export type FixedDifference = {
  readonly name: string;
  readonly reason: string;
  /** Applied to a Deployment, with target `kind: Deployment` where no other is given. */
  readonly patch: string;
  readonly target?: { readonly [field: string]: string };
  readonly ours: JsonValue | undefined;
  readonly theirs: JsonValue | undefined;
} & ({ readonly spec: JsonValue } | { readonly labels: { readonly [key: string]: string } });

const pod = (containers: JsonValue): JsonValue => ({ template: { spec: { containers } } });
const merge = (spec: string): string => `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: ${spec}\n`;
const mergePod = (containers: string): string => merge(`{template: {spec: {containers: ${containers}}}}`);
const operations = (...list: readonly JsonValue[]): string => JSON.stringify(list);

export const fixedDifferences: readonly FixedDifference[] = [
  {
    name: "$patch: replace of an item replaces it",
    reason: "kustomize keeps the item as it was",
    spec: pod([{ name: "a", image: "old", args: ["x"] }]),
    patch: mergePod("[{name: a, $patch: replace, image: new}]"),
    ours: pod([{ name: "a", image: "new" }]),
    theirs: pod([{ name: "a", image: "old", args: ["x"] }]),
  },
  {
    name: "$patch: replace of the whole object replaces it",
    reason: "kustomize keeps the object as it was",
    spec: { replicas: 1, paused: true },
    patch: `$patch: replace\n${merge("{replicas: 2}")}`,
    ours: { replicas: 2 },
    theirs: { replicas: 1, paused: true },
  },
  {
    name: "a directive for a list that the object does not have is carried out",
    reason: "kustomize leaves the directive in the object and loses the items",
    spec: { template: { spec: { hostNetwork: true } } },
    patch: merge("{template: {spec: {volumes: [{$patch: replace}, {name: v}]}}}"),
    ours: { template: { spec: { hostNetwork: true, volumes: [{ name: "v" }] } } },
    theirs: { template: { spec: { hostNetwork: true, volumes: [{ $patch: "replace" }] } } },
  },
  {
    name: "a directive in a list that is replaced as a whole is refused",
    reason: "kustomize leaves the directive in the object",
    spec: {},
    patch: merge("{tolerations: [{$patch: replace}, {key: a}]}"),
    ours: undefined,
    theirs: { tolerations: [{ $patch: "replace" }, { key: "a" }] },
  },
  {
    name: "an item without merge key is refused",
    reason: "kustomize drops the items of the object",
    spec: pod([{ name: "a" }, { name: "b" }]),
    patch: mergePod("[{image: x}]"),
    ours: undefined,
    theirs: pod([]),
  },
  {
    name: "an item that the patch names twice is refused",
    reason: "kustomize keeps one of them",
    spec: pod([{ name: "a", image: "old" }]),
    patch: mergePod("[{name: a, image: one}, {name: a, image: two}]"),
    ours: undefined,
    theirs: pod([{ name: "a", image: "one" }]),
  },
  {
    name: "a port without protocol is the one of that number",
    reason: "kustomize drops the change in silence",
    spec: pod([{ name: "a", ports: [{ containerPort: 80, protocol: "TCP", name: "old" }] }]),
    patch: mergePod("[{name: a, ports: [{containerPort: 80, name: new}]}]"),
    ours: pod([{ name: "a", ports: [{ containerPort: 80, protocol: "TCP", name: "new" }] }]),
    theirs: pod([{ name: "a", ports: [{ containerPort: 80, protocol: "TCP", name: "old" }] }]),
  },
  {
    name: "a spread constraint without whenUnsatisfiable is the one of that topology",
    reason: "kustomize drops the change in silence",
    spec: {
      template: {
        spec: { topologySpreadConstraints: [{ topologyKey: "z", whenUnsatisfiable: "ScheduleAnyway", maxSkew: 1 }] },
      },
    },
    patch: merge("{template: {spec: {topologySpreadConstraints: [{topologyKey: z, maxSkew: 2}]}}}"),
    ours: {
      template: {
        spec: { topologySpreadConstraints: [{ topologyKey: "z", whenUnsatisfiable: "ScheduleAnyway", maxSkew: 2 }] },
      },
    },
    theirs: {
      template: {
        spec: { topologySpreadConstraints: [{ topologyKey: "z", whenUnsatisfiable: "ScheduleAnyway", maxSkew: 1 }] },
      },
    },
  },
  {
    name: "$setElementOrder orders",
    reason: "kustomize leaves the directive in the object",
    spec: pod([{ name: "a" }, { name: "b" }]),
    patch: merge("{template: {spec: {$setElementOrder/containers: [{name: b}, {name: a}]}}}"),
    ours: pod([{ name: "b" }, { name: "a" }]),
    theirs: {
      template: {
        spec: {
          containers: [{ name: "a" }, { name: "b" }],
          "$setElementOrder/containers": [{ name: "b" }, { name: "a" }],
        },
      },
    },
  },
  {
    name: "$deleteFromPrimitiveList deletes",
    reason: "kustomize leaves the directive in the object",
    spec: { args: ["x", "y"] },
    patch: merge("{$deleteFromPrimitiveList/args: [x]}"),
    ours: { args: ["y"] },
    theirs: { args: ["x", "y"], "$deleteFromPrimitiveList/args": ["x"] },
  },
  {
    name: "$retainKeys retains",
    reason: "kustomize leaves the directive in the object",
    spec: { strategy: { type: "RollingUpdate", rollingUpdate: {} } },
    patch: merge("{strategy: {$retainKeys: [type], type: Recreate}}"),
    ours: { strategy: { type: "Recreate" } },
    theirs: { strategy: { type: "Recreate", rollingUpdate: {}, $retainKeys: ["type"] } },
  },
  {
    name: "an unknown directive is refused below a new field too",
    reason: "kustomize leaves the directive in the object",
    spec: {},
    patch: merge("{strategy: {$patch: remove, type: Recreate}}"),
    ours: undefined,
    theirs: { strategy: { $patch: "remove", type: "Recreate" } },
  },
  {
    name: "a copy from what does not exist is refused",
    reason: "kustomize adds null",
    spec: { a: 1 },
    patch: operations({ op: "copy", from: "/spec/none", path: "/spec/b" }),
    ours: undefined,
    theirs: { a: 1, b: null },
  },
  {
    name: "a path without its first slash is refused",
    reason: "kustomize overlooks the first word of the path",
    spec: { replicas: 1 },
    patch: operations({ op: "replace", path: "x/spec/replicas", value: 2 }),
    ours: undefined,
    theirs: { replicas: 2 },
  },
  {
    name: "test compares values",
    reason: "kustomize compares the bytes of JSON, in which < may be written as \\u003c",
    spec: { a: "<", b: 1 },
    patch: operations({ op: "test", path: "/spec/a", value: "<" }, { op: "replace", path: "/spec/b", value: 2 }),
    ours: { a: "<", b: 2 },
    theirs: undefined,
  },
  {
    name: "a duplicate key of JSON is refused",
    reason: "kustomize takes the last one in silence",
    spec: { a: 1 },
    patch: '[{"op": "replace", "path": "/spec/a", "value": 2, "value": 3}]',
    ours: undefined,
    theirs: { a: 3 },
  },
  {
    name: "a duplicate key that operations make is refused",
    reason: "server-side apply takes no such object",
    spec: pod([{ name: "a", env: [{ name: "A" }] }]),
    patch: operations({ op: "add", path: "/spec/template/spec/containers/0/env/-", value: { name: "A" } }),
    ours: undefined,
    theirs: pod([{ name: "a", env: [{ name: "A" }, { name: "A" }] }]),
  },
  {
    name: "null takes a label away",
    reason: 'kustomize makes it the text "null" where the patch has a target, and takes it away where it has none',
    labels: { a: "1", b: "2" },
    patch: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x, labels: {a: null}}\n",
    ours: { b: "2" },
    theirs: { a: "null", b: "2" },
  },
  {
    name: "a selector that cannot be read is refused",
    reason: "kustomize reads it only once an object fits the rest of the target, so that a typo waits for its day",
    spec: { a: 1 },
    patch: merge("{a: 2}"),
    target: { kind: "Service", labelSelector: "app in" },
    ours: undefined,
    theirs: { a: 1 },
  },
  {
    name: "a patch that is indented as a whole is read",
    reason: "kustomize trims the first line alone, and fails on the others",
    spec: { a: 1 },
    patch: "  apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: x}\n  spec: {a: 2}\n",
    ours: { a: 2 },
    theirs: undefined,
  },
  {
    name: "an integer beyond 2^53 is refused",
    reason:
      "what the API server answers is read as JSON of JavaScript, where it loses digits: a change of them would not be seen, and not be applied",
    spec: { a: 1 },
    patch:
      '[{"op": "add", "path": "/spec/b", "value": 9223372036854775807}, {"op": "remove", "path": "/spec/b"}, {"op": "replace", "path": "/spec/a", "value": 2}]',
    ours: undefined,
    theirs: { a: 2 },
  },
];
