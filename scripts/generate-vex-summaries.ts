import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { summaryOfVex, type VexDocument } from "../src/distribution/vex.ts";
import { writeOrCheck } from "./generated-files.ts";

/** Writes which statements about vulnerabilities are embedded, so that the operator can point to them without having them in memory. */

const folder = join(import.meta.dirname, "../src/distribution/data/vex");
const summaries = await Promise.all(
  (await readdir(folder)).toSorted().map(async (name) => {
    const document: VexDocument = JSON.parse(await readFile(join(folder, name), "utf8"));
    return [name.replaceAll(/^v|\.json$/g, ""), summaryOfVex(document)] as const;
  }),
);
const text = `${JSON.stringify(Object.fromEntries(summaries), undefined, 1)}\n`;
await writeOrCheck(new Map([["src/distribution/data/vex-summaries.json", text]]), "data/vex has");
