import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runSteps } from "./run-steps.ts";

/** The suites that take too long for `npm test`: test/long, and the conformance suites with ten times as many runs. */
process.env["CONFORMANCE_RUNS"] ??= "2000";
const root = join(import.meta.dirname, "..");
const files = ["test/conformance", "test/long"].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `${folder}/${name}`),
);
await runSteps([
  { name: "tools", command: ["node", "scripts/provide-tools.ts", "--long"] },
  { name: "long suites", command: ["node", "--test", "--test-force-exit", "--test-concurrency=1", ...files] },
]);
