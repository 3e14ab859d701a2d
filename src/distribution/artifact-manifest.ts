import { nameObject } from "../kube/object-id.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { errorMessage } from "../std/errors.ts";
import { isJsonObject } from "../std/json.ts";
import { eachKubeYamlDocument } from "../std/yaml.ts";
import { artifactFailed } from "./artifact-error.ts";
import { withoutDescriptions } from "./crd-descriptions.ts";

/** A file of an artifact, with its path from the root. */
export type ArtifactFile = { readonly path: string; readonly bytes: Uint8Array };

/** The namespace that the official manifests are written for; their objects name it in role bindings only. */
const officialNamespace = "flux-system";

/** Official files have up to 0.22 MiB. Parsing 1 MiB takes a second, during which a single document blocks everything else, and 0.1 GiB. */
const maxFileBytes = 1024 * 1024;

/** The version of the generator says nothing about a CRD, and differs between equal ones. */
const generatorAnnotation = "controller-gen.kubebuilder.io/version";

const clusterKinds: ReadonlySet<string> = new Set(["CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"]);

/**
 * The objects of a manifest file in its order, one at a time, as the embedded releases have them: without status, creation time, the
 * generator's mark and the descriptions of CRDs. Throws ArtifactError when it is no such file.
 */
export function* readManifest(file: ArtifactFile): Generator<KubeObject, void, void> {
  let count = 0;
  for (const document of eachDocument(file)) {
    count += 1;
    const object = readObject(document, `${file.path}, document ${count}`);
    checkNamespace(object, file.path);
    yield compact(object);
  }
  if (count === 0) throw artifactFailed(`${file.path} has no objects`);
}

/** The documents of a YAML file that are not empty. Throws ArtifactError when it is no YAML, or larger than 1 MiB. */
export function readYaml(file: ArtifactFile): readonly JsonValue[] {
  return [...eachDocument(file)];
}

function* eachDocument({ path, bytes }: ArtifactFile): Generator<JsonValue, void, void> {
  if (bytes.length > maxFileBytes) throw artifactFailed(`${path} is larger than ${maxFileBytes} bytes`);
  try {
    yield* eachKubeYamlDocument(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw artifactFailed(`${path}: ${errorMessage(cause)}`, cause);
  }
}

function readObject(document: JsonValue, where: string): KubeObject {
  if (!isJsonObject(document)) throw artifactFailed(`${where} is not an object`);
  const { status: _status, apiVersion, kind, metadata, ...fields } = document;
  if (typeof apiVersion !== "string" || typeof kind !== "string") {
    throw artifactFailed(`${where} has no apiVersion and kind`);
  }
  if (!isJsonObject(metadata)) throw artifactFailed(`${where} has no metadata`);
  const { name, creationTimestamp: _time, annotations, labels, ...others } = metadata;
  if (typeof name !== "string" || name === "") throw artifactFailed(`${where} has no metadata.name`);
  return {
    apiVersion,
    kind,
    metadata: {
      ...others,
      name,
      ...textMap("labels", labels, where),
      ...textMap("annotations", withoutMark(annotations), where),
    },
    ...(kind === "CustomResourceDefinition" ? withoutDescriptions(fields) : fields),
  };
}

function withoutMark(annotations: JsonValue | undefined): JsonValue | undefined {
  if (!isJsonObject(annotations)) return annotations;
  const { [generatorAnnotation]: _mark, ...kept } = annotations;
  return kept;
}

type TextMap = { readonly [key: string]: string };

/** The field with its map; nothing when the map is empty or absent. */
function textMap(field: string, value: JsonValue | undefined, where: string): { readonly [field: string]: TextMap } {
  if (value === undefined || value === null) return {};
  if (!isTextMap(value)) throw artifactFailed(`${where} has metadata.${field} that are not text`);
  return Object.keys(value).length === 0 ? {} : { [field]: value };
}

function isTextMap(value: JsonValue): value is TextMap {
  return isJsonObject(value) && Object.values(value).every((member) => typeof member === "string");
}

function checkNamespace(object: KubeObject, path: string): void {
  const { namespace } = object.metadata;
  if (namespace === undefined) return;
  if (namespace === officialNamespace && !clusterKinds.has(object.kind)) return;
  throw artifactFailed(`${path}: ${nameObject(object)} has a namespace of its own`);
}

/** Strings that are slices of a YAML file keep the whole file in memory; those of a copy by JSON do not. */
function compact(object: KubeObject & JsonObject): KubeObject {
  const copy: KubeObject = JSON.parse(JSON.stringify(object));
  return copy;
}
