import type { LogFields, Logger } from "../../src/runtime/log.ts";

export type LogLine = { readonly level: string; readonly message: string } & LogFields;

/** A logger for tests that keeps what it is told. */
export function createTestLog(): { readonly log: Logger; readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const keep =
    (level: string, common: LogFields) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push({ level, message, ...common, ...fields });
  const loggerWith = (common: LogFields): Logger => ({
    trace: keep("trace", common),
    debug: keep("debug", common),
    info: keep("info", common),
    error: keep("error", common),
    with: (fields) => loggerWith({ ...common, ...fields }),
  });
  return { log: loggerWith({}), lines };
}
