import { runSteps, type Step } from "./run-steps.ts";

/**
 * Writes every generated file, with `--quick` only those that need no Go and no minutes. With `--check` it only compares, and leaves out what
 * needs Go and minutes unless `--all` is given too: test/long checks that.
 */
const check = process.argv.includes("--check");
const all = process.argv.includes("--all") || !(check || process.argv.includes("--quick"));
const flags = check ? ["--check"] : [];

const quick: readonly Step[] = [
  { name: "generate CRD and API reference", command: ["node", "scripts/generate-crds.ts", ...flags] },
  { name: "generate rights and manifests", command: ["node", "scripts/generate-manifests.ts", ...flags] },
  { name: "generate public trusted root", command: ["node", "scripts/generate-public-good-root.ts", ...flags] },
  { name: "generate table of sizes", command: ["node", "scripts/generate-sizes.ts", ...flags] },
  { name: "generate monitoring", command: ["node", "scripts/generate-monitoring.ts", ...flags] },
  { name: "generate summaries of statements", command: ["node", "scripts/generate-vex-summaries.ts", ...flags] },
  { name: "generate charts", command: ["node", "scripts/generate-charts.ts", ...flags] },
  { name: "generate npm packages", command: ["node", "scripts/generate-npm.ts", ...flags] },
  { name: "generate Timoni modules", command: ["node", "scripts/generate-timoni.ts", ...flags] },
  { name: "generate Terraform module", command: ["node", "scripts/generate-terraform.ts", ...flags] },
];
const slow: readonly Step[] = [
  { name: "generate distribution", command: ["node", "scripts/generate-distribution.ts", ...flags] },
  { name: "generate merge keys", command: ["node", "scripts/generate-merge-keys.ts", ...flags] },
  { name: "generate field types", command: ["node", "scripts/generate-field-types.ts", ...flags] },
  { name: "generate name references", command: ["node", "scripts/generate-name-references.ts", ...flags] },
  { name: "generate Kubernetes in CUE", command: ["node", "scripts/generate-timoni-kubernetes.ts", ...flags] },
];
await runSteps(all ? [...quick, ...slow] : quick);
