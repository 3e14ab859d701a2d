import { StringDecoder } from "node:string_decoder";

import { errorMessage } from "../std/errors.ts";
import { isJsonObject } from "../std/json.ts";
import type { WatchEvent } from "./api-client.ts";
import { ApiError, ConnectionError, statusFromObject } from "./api-error.ts";
import { toKubeObject } from "./object-body.ts";
import type { GroupVersionKind } from "../kube/gvk.ts";
import type { HttpRequest, Transport } from "./transport.ts";

/** The kind of the events, and how long the server may be silent. */
export type WatchStreamOptions = {
  readonly gvk: GroupVersionKind;
  /** After how much silence the stream is given up. Also the time for the server to accept the watch. */
  readonly idleMs: number;
  readonly onContact?: (() => void) | undefined;
};

/** No object of a watch is larger: etcd refuses more than 1.5 MiB. */
const maxLineChars = 16 * 1024 * 1024;

/**
 * The events of one watch request, until the server ends it. Closes the connection when the consumer stops. Throws ApiError (also for an ERROR
 * event) and ConnectionError.
 */
export async function* watchEvents(
  transport: Pick<Transport, "stream">,
  request: HttpRequest,
  options: WatchStreamOptions,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void, undefined> {
  const own = new AbortController();
  const onAbort = (): void => own.abort(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", onAbort, { once: true });
  const idle = setTimeout(() => own.abort(silent(request.action, options.idleMs)), options.idleMs);
  const heard = (): void => {
    idle.refresh();
    options.onContact?.();
  };
  try {
    const body = await transport.stream(request, own.signal);
    heard();
    for await (const line of lines(body, { heard, action: request.action }))
      yield readEvent(line, options.gvk, request.action);
  } catch (error) {
    if (own.signal.aborted) throw own.signal.reason;
    throw error;
  } finally {
    clearTimeout(idle);
    signal.removeEventListener("abort", onAbort);
    own.abort(new Error("watch closed"));
  }
}

/** Only complete lines: what a broken connection leaves behind is dropped. */
async function* lines(
  body: AsyncIterable<Uint8Array>,
  { heard, action }: { heard: () => void; action: string },
): AsyncGenerator<string, void, undefined> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of connected(body, action)) {
    heard();
    const parts = (rest + decoder.write(chunk)).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > maxLineChars) throw new ConnectionError(action, "an event is larger than any object can be");
    yield* parts.filter((part) => part !== "");
  }
}

async function* connected(body: AsyncIterable<Uint8Array>, action: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const chunk of body) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  } catch (error) {
    throw new ConnectionError(action, errorMessage(error), error);
  }
}

const changes = { ADDED: "added", MODIFIED: "modified", DELETED: "deleted" } as const;

function readEvent(line: string, gvk: GroupVersionKind, action: string): WatchEvent {
  const { type, object } = parseLine(line, action);
  if (type === "ERROR") throw new ApiError(action, statusFromObject(isJsonObject(object) ? object : {}));
  if (type === "BOOKMARK") return { kind: "bookmark", resourceVersion: versionOf(object, action) };
  const kind =
    typeof type === "string" && Object.hasOwn(changes, type) ? changes[type as keyof typeof changes] : undefined;
  if (kind === undefined) throw new ConnectionError(action, `unknown event type ${JSON.stringify(type)}`);
  return { kind, object: toKubeObject(object, { gvk, action }) };
}

function parseLine(line: string, action: string): { readonly type?: unknown; readonly object?: unknown } {
  try {
    const event: unknown = JSON.parse(line);
    return isJsonObject(event) ? event : {};
  } catch (error) {
    throw new ConnectionError(action, "an event is no JSON", error);
  }
}

function versionOf(object: unknown, action: string): string {
  const metadata = isJsonObject(object) ? object["metadata"] : undefined;
  const version = isJsonObject(metadata) ? metadata["resourceVersion"] : undefined;
  if (typeof version === "string") return version;
  throw new ConnectionError(action, "a bookmark without resourceVersion");
}

function silent(action: string, idleMs: number): ConnectionError {
  return new ConnectionError(action, `nothing received for ${idleMs / 1000} s`);
}
