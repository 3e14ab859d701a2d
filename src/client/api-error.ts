import { ReasonedError } from "../std/errors.ts";
import { isJsonObject } from "../std/json.ts";

/** One entry of Kubernetes' `Status.details.causes`. */
export type StatusCause = { readonly field?: string; readonly reason?: string; readonly message?: string };

/** What a Kubernetes `Status` says, as far as we read it. Source: apimachinery meta/v1 Status. */
export type StatusBody = {
  readonly code: number;
  /** "NotFound", "AlreadyExists", "Conflict", "Invalid", "Forbidden", "Expired"...; "" when the server gave none. */
  readonly reason: string;
  readonly message: string;
  /** Name of the object that the status is about; absent when the server does not know the kind itself. */
  readonly name?: string;
  readonly causes: readonly StatusCause[];
  readonly retryAfterMs?: number;
  /** With an expired list: from where it can be continued, with the objects as they are now. */
  readonly continue?: string;
};

/**
 * The API server answered with an error status. It is retried with backoff whatever the status is: even an Invalid may come from an admission
 * policy that changes without us seeing it.
 */
export class ApiError extends ReasonedError {
  /** HTTP status, or the code of an ERROR event in a watch. */
  readonly status: number;
  /** Kubernetes' Status.reason. */
  readonly reasonCode: string;
  /** Kubernetes' Status.message alone, without what we tried. */
  readonly statusMessage: string;
  readonly causes: readonly StatusCause[];
  readonly retryAfterMs: number | undefined;
  /** See `StatusBody.name`. */
  readonly objectName: string | undefined;
  /** See `StatusBody.continue`. */
  readonly continue: string | undefined;

  /** `action` is what was tried, in words: "get Deployment/flux-system/source-controller". */
  constructor(action: string, status: StatusBody) {
    super({
      reason: "ReconciliationFailed",
      retry: "backoff",
      message: `Cannot ${action}: ${status.message === "" ? `API server answered ${status.code}` : status.message}`,
    });
    this.status = status.code;
    this.reasonCode = status.reason;
    this.statusMessage = status.message;
    this.causes = status.causes;
    this.retryAfterMs = status.retryAfterMs;
    this.objectName = status.name;
    this.continue = status.continue;
  }
}

/** No answer came: the connection was refused, reset, cut or timed out, or the answer is not Kubernetes'. */
export class ConnectionError extends ReasonedError {
  constructor(action: string, why: string, cause?: unknown) {
    super({ reason: "ReconciliationFailed", retry: "backoff", message: `Cannot ${action}: ${why}`, cause });
  }
}

/** The API server does not serve this kind in this version, at the moment. */
export class NoSuchKindError extends ReasonedError {
  constructor(what: string) {
    super({
      reason: "ReconciliationFailed",
      retry: "backoff",
      message: `Cannot find ${what}: the API server does not serve this kind; install its CustomResourceDefinition`,
    });
  }
}

/** Whether there is no such object (404). */
export function isNotFound(thrown: unknown): boolean {
  return thrown instanceof ApiError && thrown.status === 404;
}

/** Whether a precondition or a field manager conflicts (409); not for "AlreadyExists". */
export function isConflict(thrown: unknown): boolean {
  return thrown instanceof ApiError && thrown.status === 409 && thrown.reasonCode !== "AlreadyExists";
}

/** Whether an object to be created exists already. */
export function isAlreadyExists(thrown: unknown): boolean {
  return thrown instanceof ApiError && thrown.reasonCode === "AlreadyExists";
}

/** Whether a permission is missing, or an admission plugin forbids the request (403). */
export function isForbidden(thrown: unknown): boolean {
  return thrown instanceof ApiError && thrown.status === 403;
}

/** Whether a write was refused because the namespace is being deleted: it takes no new objects. */
export function isNamespaceTerminating(thrown: unknown): boolean {
  return isForbidden(thrown) && thrown instanceof ApiError && thrown.causes.some(isTerminatingCause);
}

function isTerminatingCause({ reason }: StatusCause): boolean {
  return reason === "NamespaceTerminating";
}

/**
 * Whether a resourceVersion is not valid any more: compacted away (410), or newer than the server knows (after a restore of etcd). Only a new
 * list helps.
 */
export function isExpired(thrown: unknown): boolean {
  if (!(thrown instanceof ApiError)) return false;
  return thrown.status === 410 || thrown.causes.some((cause) => cause.reason === "ResourceVersionTooLarge");
}

/**
 * Reads the body of an error answer. What is no Status (HTML of a load balancer, "404 page not found") becomes the message, cut to 200
 * characters.
 */
export function readStatus(code: number, body: string, retryAfter?: string): StatusBody {
  const parsed = parseObject(body);
  const retryAfterMs = parseRetryAfter(retryAfter);
  const after = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (parsed?.["kind"] !== "Status") return { code, reason: "", message: shorten(body), causes: [], ...after };
  return { ...statusFromObject(parsed, code), ...after };
}

/** Reads a `Status` object, such as that in an ERROR event of a watch. */
export function statusFromObject(status: { readonly [key: string]: unknown }, fallbackCode = 500): StatusBody {
  const details = isJsonObject(status["details"]) ? status["details"] : {};
  const seconds = details["retryAfterSeconds"];
  const metadata = isJsonObject(status["metadata"]) ? status["metadata"] : {};
  return {
    code: typeof status["code"] === "number" ? status["code"] : fallbackCode,
    reason: text(status["reason"]) ?? "",
    message: cut(text(status["message"]) ?? ""),
    causes: Array.isArray(details["causes"]) ? details["causes"].filter(isJsonObject).map(readCause) : [],
    ...defined("name", text(details["name"])),
    ...defined("continue", text(metadata["continue"])),
    ...(typeof seconds === "number" && seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
  };
}

/** Retry-After in milliseconds. The date form is not used by Kubernetes and is ignored. */
function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,6}$/.test(header)) return undefined;
  return Number(header) * 1000;
}

function readCause(cause: { readonly [key: string]: unknown }): StatusCause {
  return {
    ...defined("field", text(cause["field"])),
    ...defined("reason", text(cause["reason"])),
    ...defined("message", text(cause["message"])),
  };
}

function parseObject(body: string): { readonly [key: string]: unknown } | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    return isJsonObject(parsed) ? parsed : undefined;
  } catch {
    return undefined; // It is not JSON: the caller uses it as text.
  }
}

/** A message may repeat the whole object that it is about; it goes into conditions, events and the log. */
function cut(message: string): string {
  return message.length > maxMessage ? `${message.slice(0, maxMessage)}...` : message;
}

const maxMessage = 4_000;

function shorten(body: string): string {
  const line = body
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll(/\s+/g, " ")
    .trim();
  return line.length > 200 ? `${line.slice(0, 200)}...` : line;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function defined<Key extends string>(key: Key, value: string | undefined): { readonly [key in Key]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [key in Key]: string });
}

/** Whether the API server refuses the object itself (4xx), as opposed to a busy server or a permission that is missing. */
export function isRefusal(error: ApiError): boolean {
  return error.status >= 400 && error.status < 500 && ![401, 403, 408, 429].includes(error.status);
}
