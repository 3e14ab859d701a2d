import { spec } from "node:test/reporters";
import { pipeline, Readable } from "node:stream";
import type { TestEvent } from "node:test/reporters";

/** The `spec` reporter without a line for each test that passes: what failed, what was skipped and why, and the count. */
// oxlint-disable-next-line import/no-default-export -- the test runner asks for one
export default async function* quiet(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  async function* interesting(): AsyncGenerator<TestEvent> {
    for await (const event of source) if (!isNoise(event)) yield event;
  }
  const reporter = new spec();
  pipeline(Readable.from(interesting()), reporter, () => undefined);
  for await (const chunk of reporter) yield String(chunk);
}

/** Passed tests, and the diagnostics that only repeat that. */
function isNoise(event: TestEvent): boolean {
  if (event.type === "test:start" || event.type === "test:plan") return true;
  return event.type === "test:pass" && event.data.skip === undefined && event.data.todo === undefined;
}
