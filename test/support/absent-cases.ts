import { isJsonObject } from "../../src/std/json.ts";
import { fluxInstanceSchema } from "../../src/api/schema/instance.ts";
import type { JsonObject, JsonValue } from "../../src/kube/object.ts";
import { distribution, instanceOf } from "./instance-cases.ts";

/** An instance with a field written as null or "", and the same instance without that field. */
export type AbsentCase = { readonly name: string; readonly written: JsonObject; readonly without: JsonObject };

const source = ["source-controller"];
const signer = { issuer: "^https://i$", subject: ".*" };
const target = { kind: "Deployment" };

/** Instances that between them have a value at every map of the schema. */
const bases: readonly JsonObject[] = [
  instanceOf({
    distribution: {
      ...distribution,
      artifact: "oci://host/a",
      artifactCertSecretRef: { name: "ca" },
      verify: { provider: "cosign", matchOIDCIdentity: [signer], trustedRootSecretRef: { name: "root" } },
    },
    cluster: {
      type: "azure",
      identities: [{ components: source, azure: { clientID: "11111111-2222-3333-4444-555555555555" } }],
    },
    sharding: { shards: ["a"], storage: "persistent" },
    storage: { class: "standard", size: "1Gi" },
    commonMetadata: { labels: { a: "b" }, annotations: { a: "b" } },
    kustomize: { patches: [{ patch: "[]", target }] },
    sync: {
      kind: "GitRepository",
      url: "https://host/fleet",
      ref: "refs/heads/main",
      path: "a",
      provider: "github",
      pullSecret: "a",
      verify: { mode: "Tag", secretRef: { name: "keys" } },
    },
    upgrade: { windows: [{ schedule: "0 3 * * *", duration: "2h", timeZone: "Europe/Berlin" }] },
    driftIgnore: [{ target, paths: ["/spec/replicas"] }],
    deletionPolicy: "Orphan",
  }),
  instanceOf({
    distribution: {
      ...distribution,
      source: "Embedded",
      digests: "Catalog",
      verify: { provider: "cosign", images: true, secretRef: { name: "keys" } },
    },
    cluster: {
      type: "aws",
      size: "small",
      domain: "c",
      identities: [{ components: source, aws: { roleARN: "arn:aws:iam::123456789012:role/flux" } }],
      proxy: { http: "http://p" },
    },
    shards: ["a"],
    sync: {
      kind: "OCIRepository",
      url: "oci://host/a",
      ref: { tag: "v1" },
      path: "a",
      verify: { provider: "cosign", matchOIDCIdentity: [signer], trustedRootSecretRef: { name: "root" } },
    },
  }),
  instanceOf({
    distribution,
    cluster: {
      type: "gcp",
      identities: [{ components: source, gcp: { serviceAccountEmail: "flux@project.iam.gserviceaccount.com" } }],
    },
  }),
];

/** Every field of `spec` as null, and every optional text as "", in each of the instances where its map is there. */
export const absentCases: readonly AbsentCase[] = bases.flatMap((base, index) =>
  fieldsBelow(fluxInstanceSchema.properties["spec"], base["spec"] ?? null, ["spec"]).flatMap(({ path, isText }) =>
    (isText ? [null, ""] : [null]).map((value) => ({
      name: `${path.join(".")} written as ${JSON.stringify(value)} (instance ${index + 1})`,
      written: asObject(withValue(base, path, value)),
      without: asObject(withValue(base, path, undefined)),
    })),
  ),
);

type Path = readonly (string | number)[];
type Field = { readonly path: Path; readonly isText: boolean };

function fieldsBelow(schema: unknown, value: JsonValue, path: Path): readonly Field[] {
  if (!isJsonObject(schema)) return [];
  if (isList(value)) return value.flatMap((item, index) => fieldsBelow(schema["items"], item, [...path, index]));
  const { properties, additionalProperties, required } = schema;
  if (!isJsonObject(value)) return [];
  if (isJsonObject(additionalProperties))
    return Object.keys(value).map((key) => ({ path: [...path, key], isText: false }));
  if (!isJsonObject(properties)) return [];
  return Object.entries(properties).flatMap(([name, child]) => {
    const isRequired = Array.isArray(required) && required.includes(name);
    const isText = !isRequired && isJsonObject(child) && child["type"] === "string";
    const at = [...path, name];
    const own: readonly Field[] = [{ path: at, isText }];
    return own.concat(fieldsBelow(child, value[name] ?? null, at));
  });
}

function withValue(node: JsonValue, [head, ...rest]: Path, value: JsonValue | undefined): JsonValue | undefined {
  if (head === undefined) return value;
  if (isList(node)) return node.map((item, index) => (index === head ? (withValue(item, rest, value) ?? null) : item));
  const map = asObject(node);
  const { [head]: own, ...others } = map;
  const next = rest.length === 0 ? value : withValue(own ?? null, rest, value);
  return next === undefined ? others : { ...others, [head]: next };
}

function asObject(value: JsonValue | undefined): JsonObject {
  if (isJsonObject(value)) return value;
  throw new Error("no map");
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
