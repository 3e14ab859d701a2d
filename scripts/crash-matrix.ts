/**
 * `npm run crash-matrix`: kills the operator after each single write of each scenario (test/support/crash/scenarios.ts). The long suites
 * do the same with one position in eight.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runTestFiles } from "./run-test-files.ts";

process.env["CRASH_SHARD"] ??= "1/1";
const folder = "test/long";
const files = readdirSync(join(import.meta.dirname, "..", folder)).filter((name) => name.startsWith("crash-"));
await runTestFiles({ files: files.map((name) => `${folder}/${name}`), timeoutMs: 7_200_000 });
