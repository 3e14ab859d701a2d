/** `npm run soak`: hostile neighbours and a bad wire for SOAK_MINUTES, 30 by default; draws what the operator held into docs/images/soak.svg. */
import { join } from "node:path";
import { runTestFiles } from "./run-test-files.ts";

process.env["SOAK_MINUTES"] ??= "30";
process.env["SOAK_PLOT"] ??= join(import.meta.dirname, "../docs/images/soak.svg");
const timeoutMs = Number(process.env["SOAK_MINUTES"]) * 60_000 + 600_000;
await runTestFiles({ files: ["test/long/hostile-neighbours.test.ts"], timeoutMs });
