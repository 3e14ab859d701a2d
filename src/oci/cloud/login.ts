import { readFile } from "node:fs/promises";

import type { Clock } from "../../std/clock.ts";
import { errorCode, errorMessage } from "../../std/errors.ts";
import { isJsonObject } from "../../std/json.ts";
import type { JsonObject } from "../../std/json.ts";
import type { RegistryTls } from "../dispatchers.ts";
import type { Credentials } from "../docker-config.ts";
import type { Exchange, ExchangeAnswer, ExchangeRequest, Limits } from "../exchange.ts";
import { RegistryError } from "../registry-error.ts";

/** Credentials for one registry, and until when they are good, by the clock's monotonicMs. */
export type Login = { readonly credentials: Credentials; readonly expiresMs: number };

/** What a login needs besides the identity. */
export type LoginContext = {
  readonly exchange: Exchange;
  /** Past all proxies, for what only the machine itself can reach. */
  readonly direct: Exchange;
  readonly clock: Clock;
  /** What the login is for, in words for messages. */
  readonly action: string;
  /** Without a client certificate, which is the registry's. */
  readonly tls: RegistryTls;
  readonly limits: Limits;
};

type Question = Pick<ExchangeRequest, "method" | "url" | "headers" | "authorization" | "body">;

const maxAnswerBytes = 64 * 1024;

/**
 * Asks a token endpoint. Answers with 4xx are for the caller. All endpoints are asked by POST, or directly, so that no redirect carries what
 * is secret to another host.
 */
export async function ask(
  question: Question,
  context: LoginContext,
  exchange = context.exchange,
): Promise<ExchangeAnswer> {
  const { action, tls, limits } = context;
  return await exchange.send({ ...question, action, tls, maxBytes: maxAnswerBytes }, limits);
}

/** A form to POST. */
export function formQuestion(url: URL, fields: Readonly<Record<string, string>>): Question {
  const headers = { accept: "application/json", "content-type": "application/x-www-form-urlencoded" };
  return { method: "POST", url, headers, body: new URLSearchParams(fields).toString() };
}

/** The token that the cluster has issued for the pod; it is renewed in the file. Throws RegistryError. */
export async function readPodToken(path: string, context: LoginContext): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (cause) {
    const why = errorCode(cause) ?? errorMessage(cause);
    throw refused(context, `the token of this pod cannot be read from ${path} (${why}); restart the operator's pod`);
  }
}

/** The JSON object of an answer; empty for anything else. */
export function readObject({ body }: ExchangeAnswer): JsonObject {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    return isJsonObject(parsed) ? parsed : {};
  } catch {
    return {}; // The parser's message would quote what may be a token.
  }
}

/** A text that must be in an answer. Throws RegistryError, which does not repeat the answer. */
export function required(value: unknown, answer: ExchangeAnswer, context: LoginContext): string {
  if (typeof value === "string" && value !== "") return value;
  const message = `Cannot ${context.action}: ${answer.url.host} answered without a token`;
  throw new RegistryError({ kind: "protocol", message });
}

/**
 * "401 invalid_client" of an answer: the status and a code. The sentences of clouds have times and ids of requests, which change with every
 * retry.
 */
export function codeOf({ status }: ExchangeAnswer, code: unknown): string {
  return typeof code === "string" && /^[\w.#-]{1,100}$/.test(code) ? `${status} ${code}` : `${status}`;
}

/** The error of a login that does not work, with what to do. */
export function refused({ action }: Pick<LoginContext, "action">, why: string): RegistryError {
  return new RegistryError({ kind: "identity", message: `Cannot ${action}: ${why}` });
}

/** A wall-clock time as the clock's monotonicMs. */
export function monotonicOf(wallMs: number, clock: Clock): number {
  return clock.monotonicMs() + (wallMs - clock.nowMs());
}
