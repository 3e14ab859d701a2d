import { runSteps } from "./run-steps.ts";

/** Everything that can be checked without running the product. */
await runSteps([
  { name: "format", command: ["oxfmt", "--check", "."] },
  { name: "lint", command: ["oxlint", "--type-aware", "--deny-warnings"] },
  { name: "types", command: ["tsc", "-p", "."] },
  { name: "import doors", command: ["node", "--test", "--test-reporter=dot", "test/architecture.test.ts"] },
  { name: "lock file", command: ["node", "scripts/complete-lock.ts", "--check"] },
  { name: "generated files", command: ["node", "scripts/generate.ts", "--check"] },
]);
