import { errorCode, errorMessage } from "../std/errors.ts";
import { isJsonObject } from "../std/json.ts";
import { RegistryError } from "./registry-error.ts";
import type { RegistryErrorKind } from "./registry-error.ts";

/** An answer that is no success. */
export type StatusFailure = {
  readonly action: string;
  readonly host: string;
  readonly status: number;
  readonly retryAfterMs?: number | undefined;
  /** What the registry said, from `refusalText`. */
  readonly said?: string | undefined;
};

/** The RegistryError for an answer that is no success. */
export function statusFailure({ action, host, status, retryAfterMs, said }: StatusFailure): RegistryError {
  const { kind, words } = meaningOf(status);
  // The text of a limit has counts of requests and seconds, which would change with every retry.
  const detail = said === undefined || kind === "rate-limited" ? "" : `: ${said}`;
  return new RegistryError({ kind, message: `Cannot ${action}: ${host} ${words}${detail}`, retryAfterMs });
}

type Meaning = { readonly kind: RegistryErrorKind; readonly words: string };

const meanings: Readonly<Record<number, Meaning>> = {
  401: { kind: "unauthorized", words: "refuses access (401)" },
  403: { kind: "unauthorized", words: "denies access (403)" },
  404: { kind: "not-found", words: "does not have it (404)" },
  429: { kind: "rate-limited", words: "limits our requests (429)" },
};

function meaningOf(status: number): Meaning {
  return meanings[status] ?? { kind: status >= 500 ? "server" : "protocol", words: `answered ${status}` };
}

/** The first error of a registry's answer, "MANIFEST_UNKNOWN: manifest unknown"; undefined for anything else, such as a web page. */
export function refusalText(body: Uint8Array): string | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined; // A load balancer's page says no more than the status.
  }
  if (!isJsonObject(parsed) || !Array.isArray(parsed["errors"])) return undefined;
  const first: unknown = parsed["errors"][0];
  if (!isJsonObject(first)) return undefined;
  const { code, message } = first;
  const words = [code, message].flatMap((word) => (typeof word === "string" && word !== "" ? [word] : [])).join(": ");
  return words === "" ? undefined : oneLine(words);
}

/** Retry-After in milliseconds, from seconds or a date (RFC 9110, 10.2.3); at most a day. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), 24 * 3_600_000);
}

/**
 * The RegistryError for a request without a complete answer; `began`: its head had come. It has neither local ports nor counts of bytes, so
 * that the same failure gives the same message.
 */
export function networkFailure(
  cause: unknown,
  { action, host, began }: { action: string; host: string; began: boolean },
): { readonly error: RegistryError; readonly transient: boolean } {
  const code = errorCode(cause) ?? "";
  const failed = (kind: RegistryErrorKind, words: string): RegistryError =>
    new RegistryError({ kind, message: `Cannot ${action}: ${words}`, cause });
  if (began) return { error: failed("truncated", `the answer of ${host} broke off`), transient: true };
  if (isCertificateProblem(code)) {
    const error = failed(
      "unreachable",
      `the certificate of ${host} is not trusted (${code}); give the CA that signed it`,
    );
    return { error, transient: false };
  }
  if (code === "UND_ERR_HEADERS_OVERFLOW")
    return { error: failed("too-large", `${host} sends too many headers`), transient: false };
  if (code === "EPROTO" || code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG") {
    const error = failed("unreachable", `${host} does not speak TLS; allow plain HTTP if that is meant`);
    return { error, transient: false };
  }
  const words = unreachable[code] ?? `${host} cannot be reached: ${code === "" ? errorMessage(cause) : code}`;
  return { error: failed("unreachable", words.replace("HOST", host)), transient: true };
}

const unreachable: Readonly<Record<string, string>> = {
  ECONNREFUSED: "no server listens at HOST",
  ENOTFOUND: "the name of HOST cannot be resolved",
  EAI_AGAIN: "the name of HOST cannot be resolved now",
  EHOSTUNREACH: "there is no route to HOST",
  ENETUNREACH: "there is no route to HOST",
  ECONNRESET: "HOST closed the connection",
  UND_ERR_SOCKET: "HOST closed the connection",
  ETIMEDOUT: "HOST does not answer",
  UND_ERR_CONNECT_TIMEOUT: "HOST does not answer",
  UND_ERR_HEADERS_TIMEOUT: "HOST does not answer",
  UND_ERR_ABORTED: "the proxy does not let us through to HOST",
  UND_ERR_PRX_CONN: "the proxy does not let us through to HOST",
  UND_ERR_PRX_TLS: "the proxy's certificate is not trusted on the way to HOST",
};

function isCertificateProblem(code: string): boolean {
  return /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_)/.test(code);
}

/** Text of strangers as it may stand in a message: without control characters, and at most `most` characters of it. */
export function oneLine(text: string, most = 200): string {
  const line = text
    // oxlint-disable-next-line no-control-regex -- what must not reach a condition
    .replaceAll(/[\u0000-\u001f\u007f]+/g, " ")
    .trim();
  return line.length > most ? `${line.slice(0, most)}...` : line;
}
