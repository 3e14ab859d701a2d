import assert from "node:assert/strict";
import { test } from "node:test";

import { ReasonedError } from "../std/errors.ts";
import { createLogger } from "./log.ts";
import type { LogEncoding, LogLevel } from "./log.ts";

function write(options: { level: LogLevel; encoding: LogEncoding }): readonly string[] {
  const lines: string[] = [];
  const log = createLogger({ ...options, write: (line) => void lines.push(line) }).with({
    controller: "flux-instance",
  });
  const cause = new Error("connection refused");
  const error = new ReasonedError({ reason: "ArtifactFailed", retry: "backoff", message: "Cannot pull x", cause });
  log.debug("looking");
  log.error("Reconcile failed", { name: "flux", error });
  return lines.map((line) => line.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/, "<time>"));
}

test("createLogger() writes one JSON object a line, errors with their causes, and nothing below its level", () => {
  const want = {
    level: "error",
    ts: "<time>",
    controller: "flux-instance",
    name: "flux",
    error: "Cannot pull x: connection refused",
    msg: "Reconcile failed",
  };
  assert.deepEqual(
    write({ level: "info", encoding: "json" }).map((line) => JSON.parse(line)),
    [want],
  );
});

test("createLogger() writes for people too", () => {
  assert.deepEqual(write({ level: "debug", encoding: "console" }), [
    '<time> DEBUG looking controller="flux-instance"\n',
    '<time> ERROR Reconcile failed controller="flux-instance" name="flux" error="Cannot pull x: connection refused"\n',
  ]);
});
