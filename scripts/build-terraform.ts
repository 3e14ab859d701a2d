/** Writes the Terraform module for a release to dist/. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { archiveName, moduleArchive } from "./terraform/archive.ts";

const folder = join(import.meta.dirname, "../dist");
await mkdir(folder, { recursive: true });
await writeFile(join(folder, archiveName), await moduleArchive());
console.log(`Wrote dist/${archiveName}`);
