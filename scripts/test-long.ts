import { runSteps } from "./run-steps.ts";

/** The suites that take too long for `npm test`: test/long, and the conformance suites with ten times as many runs. */
process.env["CONFORMANCE_RUNS"] ??= "2000";
await runSteps([
  { name: "tools", command: ["node", "scripts/provide-tools.ts", "--long"] },
  { name: "long suites", command: ["node", "scripts/run-suites.ts", "long"] },
]);
