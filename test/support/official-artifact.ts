import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** The official distribution, beside the checkout; absent on machines that do not have it. */
export const officialFolder = join(import.meta.dirname, "../../../shared/distribution");

/** Why the official artifact cannot be read here; undefined when it can. */
export const officialAbsent = existsSync(officialFolder) ? undefined : "no ../shared/distribution beside this checkout";

/** Its files as `openArtifact` takes them; none where it is absent. */
export function readOfficialArtifact(): ReadonlyMap<string, Uint8Array> {
  if (officialAbsent !== undefined) return new Map();
  const files = readdirSync(officialFolder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [relative(officialFolder, path).split(sep).join("/"), readFileSync(path)];
    }),
  );
}
