/**
 * `npm run crash-matrix`: kills the operator after each single write of each scenario (test/support/crash/scenarios.ts), and where all end
 * well writes the table of docs/decisions/killed-after-each-write.md. The long suites do the same with one position in eight.
 * `-- --continue` leaves out the scenarios that ended well in an earlier run.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CrashReport } from "../test/support/crash/matrix.ts";
import { runTestFiles } from "./run-test-files.ts";

const root = join(import.meta.dirname, "..");
const page = join(root, "docs/decisions/killed-after-each-write.md");
const mark = "<!-- Written by npm run crash-matrix: do not edit below. -->";

/** What came of each scenario that has ended well. */
const folder = join(root, "dist/crash-matrix");
if (!process.argv.includes("--continue")) rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
process.env["CRASH_SHARD"] = "1/1";
process.env["CRASH_REPORT"] = folder;
const scenarios = readdirSync(join(root, "test/long")).flatMap(
  (name) => /^crash-(.+)\.test\.ts$/.exec(name)?.[1] ?? [],
);
const left = scenarios.filter((scenario) => !existsSync(join(folder, `${scenario}.json`)));
await runTestFiles({ files: left.map((scenario) => `test/long/crash-${scenario}.test.ts`), timeoutMs: 7_200_000 });
if (process.exitCode === undefined) {
  const reports = scenarios.map(
    (scenario) => JSON.parse(readFileSync(join(folder, `${scenario}.json`), "utf8")) as CrashReport,
  );
  const [prose] = readFileSync(page, "utf8").split(mark);
  writeFileSync(page, `${prose}${mark}\n\n${tableOf(reports)}`);
}

function tableOf(reports: readonly CrashReport[]): string {
  const sorted = reports.toSorted((a, b) => a.scenario.localeCompare(b.scenario));
  const rows = sorted.map(
    ({ scenario, writes, kills, processes }) =>
      `| ${scenario} | ${writes.length} | ${kills.length} | the same | ${slowest(kills)} s | ${processes} |`,
  );
  const total = sorted.flatMap(({ kills }) => kills).length;
  const lists = sorted.map(
    ({ scenario, kills }) =>
      `<details><summary>${scenario}</summary>\n\n${kills.map(({ position, write }) => `${position}. \`${write}\``).join("\n")}\n\n</details>`,
  );
  return `${total} positions, and each ended as the scenario does when nobody kills the operator.

| scenario | writes when nobody kills | killed after | the end | slowest way to it | processes, each killed one write later |
|---|---|---|---|---|---|
${rows.join("\n")}

The write after which the operator was killed, by position. Writes that are sent at once are answered in any order.

${lists.join("\n\n")}
`;
}

function slowest(kills: CrashReport["kills"]): string {
  return Math.max(...kills.map(({ seconds }) => seconds)).toFixed(1);
}
