import { readFileSync } from "node:fs";

import { LayerError } from "../../src/oci/layer-error.ts";
import { untar } from "../../src/oci/layer.ts";
import { hostileLimits } from "./hostile-limits.ts";

/**
 * Reads the tarballs that are its arguments, each twice, and prints a JSON list: what was said of each, the two joined where they differ;
 * last how many bytes the process grew by at its largest.
 */
const startBytes = process.memoryUsage().rss;
const said: (string | number)[] = [];
for (const path of process.argv.slice(2)) {
  const tarball = readFileSync(path);
  said.push([...new Set([await refusal(tarball), await refusal(tarball)])].join(" | "));
}
said.push(process.resourceUsage().maxRSS * 1024 - startBytes);
process.stdout.write(JSON.stringify(said));

async function refusal(tarball: Uint8Array): Promise<string> {
  try {
    await untar(
      tarball,
      { source: "the artifact", limits: hostileLimits, keep: isWanted },
      new AbortController().signal,
    );
  } catch (error) {
    if (error instanceof LayerError) return error.message;
    throw error;
  }
  return "taken";
}

function isWanted(path: string): boolean {
  return !path.startsWith("unwanted/");
}
