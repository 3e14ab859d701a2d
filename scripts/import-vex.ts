import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readVex } from "../src/distribution/vex.ts";

/** `node scripts/import-vex.ts FOLDER`: takes the statements of OpenVEX documents, a file v<minor>.json each, into the embedded data. Then `npm run generate`. */
async function importVex(folder: string): Promise<void> {
  const target = join(import.meta.dirname, "../src/distribution/data/vex");
  await mkdir(target, { recursive: true });
  for (const name of (await readdir(folder)).toSorted()) {
    const document = readVex(await readFile(join(folder, name), "utf8"), name);
    await writeFile(join(target, name), `${JSON.stringify(document, undefined, 1)}\n`);
    console.log(`${name}: ${document.statements.length} statements, of ${document.updated}`);
  }
}

const [folder] = process.argv.slice(2);
if (folder === undefined)
  throw new Error("Usage: node scripts/import-vex.ts <flux-vex folder of the official artifact>");
await importVex(folder);
