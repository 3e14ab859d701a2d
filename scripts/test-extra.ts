import { runSteps } from "./run-steps.ts";

/** The suites with programs that take many minutes to build: test/extra. */
await runSteps([
  { name: "tools", command: ["node", "scripts/provide-tools.ts", "--extra"] },
  { name: "extra suites", command: ["node", "scripts/run-suites.ts", "extra"] },
]);
