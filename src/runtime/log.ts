import { pino } from "pino";

import { ReasonedError, errorMessage } from "../std/errors.ts";

/** The log levels, the most verbose first. */
export const logLevels = ["trace", "debug", "info", "error"] as const;
/** One of `logLevels`. */
export type LogLevel = (typeof logLevels)[number];

/** `json` is one object for each line; `console` is for people. */
export type LogEncoding = "json" | "console";

/** `error` may be any thrown value: its messages are joined, and its stack is kept unless it is a ReasonedError. */
export type LogFields = { readonly error?: unknown; readonly [field: string]: unknown };

/** Writes lines of a message and fields. Never throws. */
export type Logger = {
  trace(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  with(fields: LogFields): Logger;
};

/** What is logged, how and where. */
export type LogOptions = {
  readonly level: LogLevel;
  readonly encoding: LogEncoding;
  /** Receives whole lines; standard error by default. */
  readonly write?: (line: string) => void;
};

/** Lines as controller-runtime writes them: level, ts, msg, then fields. Written synchronously, so that a crash loses none. */
export function createLogger({ level, encoding, write = writeToStderr }: LogOptions): Logger {
  const sink = encoding === "json" ? write : (line: string) => write(formatForPeople(line));
  const root = pino(
    {
      level,
      base: null,
      messageKey: "msg",
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: sink },
  );
  return wrap(root);
}

type PinoLine = (fields: object, message: string) => void;
type PinoLike = { readonly [level in LogLevel]: PinoLine } & { child(fields: object): PinoLike };

function wrap(inner: PinoLike): Logger {
  return {
    trace: (message, fields) => inner.trace(plain(fields), message),
    debug: (message, fields) => inner.debug(plain(fields), message),
    info: (message, fields) => inner.info(plain(fields), message),
    error: (message, fields) => inner.error(plain(fields), message),
    with: (fields) => wrap(inner.child(plain(fields))),
  };
}

function plain(fields: LogFields = {}): object {
  if (fields.error === undefined) return fields;
  const { error, ...others } = fields;
  const text = { ...others, error: errorMessage(error) };
  if (!(error instanceof Error) || error instanceof ReasonedError) return text;
  return { ...text, stack: error.stack };
}

function formatForPeople(line: string): string {
  const { level, ts, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return `${[String(ts), String(level).toUpperCase(), String(msg), ...rest].join(" ")}\n`;
}

function writeToStderr(line: string): void {
  process.stderr.write(line);
}
