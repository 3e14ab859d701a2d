import { isJsonArray, isJsonObject, type JsonValue } from "../std/json.ts";
import { parseKubeYamlDocuments } from "../std/yaml.ts";
import { readOperation, type JsonPatchOperation } from "./json-patch.ts";
import { PatchProblem } from "./patch-error.ts";

/** A JSON object. */
export type JsonMap = { readonly [key: string]: JsonValue };

/** A strategic merge document: it has a kind and a name; the rest is what to merge. */
export type MergeDocument = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly value: JsonMap;
};

/** The text of a patch, by its kind. */
export type ParsedPatch =
  | { readonly kind: "json6902"; readonly operations: readonly JsonPatchOperation[] }
  | { readonly kind: "strategic-merge"; readonly documents: readonly MergeDocument[] };

/**
 * Reads the text of a patch: a list is JSON6902, maps are strategic merge documents (a `*List` is its items). As kustomize does, it reads no
 * white space at the end, so that a block scalar there has no line break at its end.
 * Labels and annotations of a document are text even where they look like numbers.
 * Text with comments only is a patch of no documents, as it is for kustomize. Throws PatchProblem or YamlError.
 */
export function parsePatch(written: string): ParsedPatch {
  const text = written.trimEnd();
  if (text === "") throw new PatchProblem("the patch is empty; write operations or a manifest, or remove the entry");
  const values = looksLikeList(text)
    ? parseKubeYamlDocuments(text)
    : parseKubeYamlDocuments(text, {
        wordsAreText: true,
        textMaps: [
          ["metadata", "labels"],
          ["metadata", "annotations"],
        ],
      });
  const [first] = values;
  if (isJsonArray(first)) {
    if (values.length > 1)
      throw new PatchProblem("JSON6902 operations must be one list in one document; make it one list");
    return { kind: "json6902", operations: first.map(readOperation) };
  }
  return { kind: "strategic-merge", documents: values.flatMap(readDocuments) };
}

/** kustomize reads lists with the YAML 1.1 of sigs.k8s.io/yaml, but maps with yaml.v3, for which `yes` is text. */
function looksLikeList(text: string): boolean {
  return /^(?:\s|#.*|---(?=\s))*(?:\[|-\s)/.test(text);
}

function readDocuments(value: JsonValue, index: number): readonly MergeDocument[] {
  const place = `document ${index + 1}`;
  if (!isJsonObject(value)) {
    throw new PatchProblem(
      `${place} is neither a list of JSON6902 operations nor a map; start it with "- op:" or "kind:"`,
    );
  }
  const { kind, items } = value;
  if (typeof kind === "string" && kind.endsWith("List") && items !== undefined) {
    return isJsonArray(items) ? items.flatMap((item) => readDocuments(item, index)) : [];
  }
  if (Object.keys(value).length === 0) return [];
  return [readDocument(value, place)];
}

function readDocument(value: JsonMap, place: string): MergeDocument {
  const metadata = isJsonObject(value["metadata"]) ? value["metadata"] : {};
  const kind = textOf(value["kind"]);
  const name = textOf(metadata["name"]);
  if (kind === "") throw new PatchProblem(`${place} has no kind; a strategic merge patch needs kind and metadata.name`);
  if (name === "") {
    throw new PatchProblem(
      `${place} (${kind}) has no metadata.name; a strategic merge patch needs one, even with a target`,
    );
  }
  return { apiVersion: textOf(value["apiVersion"]), kind, name, namespace: textOf(metadata["namespace"]), value };
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
