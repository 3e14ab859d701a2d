/** `npm run build`: writes dist/, which is what ships. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeBundle } from "./bundle.ts";

const dist = join(import.meta.dirname, "..", "dist");

await rm(dist, { recursive: true, force: true });
const { outputs } = await writeBundle(dist);
for (const [file, { bytes }] of Object.entries(outputs)) {
  if (file.endsWith(".mjs")) console.log(`${file}  ${(bytes / 1024).toFixed(0)} KiB`);
}
