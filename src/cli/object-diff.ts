import { comparable } from "../apply/compare.ts";
import { isJsonObject } from "../std/json.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { diffLines, formatHunks } from "./line-diff.ts";
import { yamlText } from "./yaml-text.ts";

/** Unified hunks between two states of an object, without fields that the API server writes by itself and without data of Secrets. */
export function diffObjects(before: KubeObject, after: KubeObject): readonly string[] {
  const [old, young] = withoutSecrets(inOrder(before), inOrder(after));
  return formatHunks(diffLines(linesOf(old), linesOf(young)));
}

/** All lines of an object that is new. */
export function newObjectLines(object: KubeObject): readonly string[] {
  const content = inOrder(object);
  const [masked] = withoutSecrets(content, content);
  return linesOf(masked).map((line) => `+${line}`);
}

function inOrder(object: KubeObject): JsonObject {
  const { apiVersion = "", kind = "", metadata = {}, ...rest } = comparable(object);
  return { apiVersion, kind, metadata, ...rest };
}

function linesOf(object: JsonObject): readonly string[] {
  return yamlText(object).trimEnd().split("\n");
}

/** `kubectl apply` stores the whole manifest in this annotation, data included. */
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

function withoutSecrets(before: JsonObject, after: JsonObject): readonly [JsonObject, JsonObject] {
  if (before["kind"] !== "Secret" || before["apiVersion"] !== "v1") return [before, after];
  return [mask(before, after, "(before)"), mask(after, before, "(after)")];
}

/** Values that are the same in `other` become "***"; other values only show that they differ. */
function mask(object: JsonObject, other: JsonObject, differs: string): JsonObject {
  const hide = (fields: JsonValue | undefined, others: JsonValue | undefined, only?: string): JsonObject | undefined =>
    isJsonObject(fields)
      ? Object.fromEntries(
          Object.entries(fields).map(([key, value]) => {
            if (only !== undefined && key !== only) return [key, value];
            return [key, isJsonObject(others) && others[key] === value ? "***" : `*** ${differs}`];
          }),
        )
      : undefined;
  const metadata = isJsonObject(object["metadata"]) ? object["metadata"] : {};
  const otherMetadata = isJsonObject(other["metadata"]) ? other["metadata"] : {};
  const annotations = hide(metadata["annotations"], otherMetadata["annotations"], lastApplied);
  const data = hide(object["data"], other["data"]);
  const stringData = hide(object["stringData"], other["stringData"]);
  return {
    ...object,
    metadata: { ...metadata, ...(annotations && { annotations }) },
    ...(data && { data }),
    ...(stringData && { stringData }),
  };
}
