import { join, relative } from "node:path";
import { packNpmPackages } from "./npm/pack.ts";

/** Writes our npm packages as they would be published to dist/npm. */
const root = join(import.meta.dirname, "..");
const packed = await packNpmPackages(join(root, "dist/npm"), new AbortController().signal);
for (const { file, files } of packed) console.log(`${relative(root, file)}: ${files.length} files`);
