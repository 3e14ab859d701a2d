import { createReadStream } from "node:fs";
import { errorCode, errorMessage, ReasonedError } from "../std/errors.ts";
import { isJsonObject } from "../std/json.ts";
import { fieldsOf, listOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { parseKubeYamlDocuments, YamlError } from "../std/yaml.ts";
import type { Terminal } from "./terminal.ts";

/** The user's input cannot be used. The message names the file and says what to do; it may have several lines. */
export class InputError extends ReasonedError {
  constructor(message: string, cause?: unknown) {
    super({ reason: "InvalidInput", retry: "on-change", message, cause });
  }
}

/** A FluxInstance as the user wrote it, not checked yet. `source` names its place: "flux.yaml (document 2)". */
export type WrittenInstance = { readonly source: string; readonly document: JsonObject };

/** The flags that say what to read. */
export type ReadOptions = {
  /** Paths; "-" is standard input. */
  readonly file: readonly string[];
  /** The namespace of instances that have none. */
  readonly namespace: string;
};

/** An API server accepts no object larger than 1.5 MiB; a file may have several. */
const maxFileBytes = 8 * 1024 * 1024;

/** Every FluxInstance of the files, in their order. Throws InputError, also for any other object. */
export async function readInstances(
  { file: files, namespace }: ReadOptions,
  { stdin }: Pick<Terminal, "stdin">,
  signal: AbortSignal,
): Promise<readonly WrittenInstance[]> {
  const instances: WrittenInstance[] = [];
  for (const file of files) {
    const name = file === "-" ? "standard input" : file;
    const text = await readText(name, file === "-" ? stdin : createReadStream(file, { signal }));
    instances.push(...instancesIn(name, text).map((instance) => withNamespace(instance, namespace)));
  }
  return instances;
}

async function readText(name: string, chunks: Terminal["stdin"]): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      parts.push(Buffer.from(chunk));
      bytes += chunk.length;
      if (bytes > maxFileBytes) break;
    }
  } catch (error) {
    throw new InputError(`${name}: cannot be read: ${explain(error)}`, error);
  }
  if (bytes > maxFileBytes) throw new InputError(`${name}: is larger than 8 MiB: pass only files of FluxInstances`);
  return decode(name, Buffer.concat(parts));
}

/** Bytes that are no UTF-8 would become replacement characters, and be applied. */
function decode(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new InputError(`${name}: is no UTF-8 text: save it as UTF-8, or pass another file`, error);
  }
}

function explain(error: unknown): string {
  const code = errorCode(error);
  if (code === "ENOENT") return "there is no such file; correct the path after -f";
  if (code === "EISDIR") return "it is a folder; name its files, each after an -f of its own";
  return errorMessage(error);
}

function instancesIn(name: string, text: string): readonly WrittenInstance[] {
  const documents = documentsOf(name, text);
  if (documents.length === 0) throw new InputError(`${name}: is empty: it must hold a FluxInstance`);
  return documents.flatMap((document, index) => {
    const source = documents.length === 1 ? name : `${name} (document ${index + 1})`;
    return itemsOf(document).map((item, at, items) => {
      const place = items.length === 1 ? source : `${source}, item ${at + 1}`;
      return { source: place, document: asInstance(place, item) };
    });
  });
}

function documentsOf(name: string, text: string): readonly JsonValue[] {
  try {
    return parseKubeYamlDocuments(text);
  } catch (error) {
    if (error instanceof YamlError) throw new InputError(`${name}: ${error.message}`, error);
    throw error;
  }
}

/** `kubectl get -o yaml` prints lists. */
function itemsOf(document: JsonValue): readonly JsonValue[] {
  const { kind, items } = fieldsOf(document);
  return (kind === "List" || kind === "FluxInstanceList") && Array.isArray(items) ? listOf(items) : [document];
}

function asInstance(source: string, value: JsonValue): JsonObject {
  const { kind, metadata } = fieldsOf(value);
  if (isJsonObject(value) && kind === "FluxInstance") return value;
  const { name } = fieldsOf(metadata);
  const what =
    typeof kind === "string"
      ? `${kind} ${typeof name === "string" ? name : "without a name"}`
      : "something without a kind";
  throw new InputError(`${source}: holds ${what}, which is no FluxInstance: take it out, or pass another file`);
}

function withNamespace({ source, document }: WrittenInstance, namespace: string): WrittenInstance {
  const { metadata } = document;
  if (!isJsonObject(metadata)) return { source, document };
  if (metadata["namespace"] !== undefined && metadata["namespace"] !== "") return { source, document };
  return { source, document: { ...document, metadata: { ...metadata, namespace } } };
}
