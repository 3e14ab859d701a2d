import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { buildRelease } from "./build-release.ts";
import type { ReleaseCrds } from "./build-release.ts";
import versions from "./data/versions.json" with { type: "json" };
import vexSummaries from "./data/vex-summaries.json" with { type: "json" };
import { readCrdIndex, readCrdSchema, readFacts } from "./read-data.ts";
import { componentNames } from "./release.ts";
import type { Release } from "./release.ts";
import { minorOf, type VexDocument, type VexSummaries } from "./vex.ts";

/** The embedded releases, oldest first, without a leading v. */
export const embeddedVersions: readonly string[] = versions;

/** What `loadVex` has, without loading it. */
export const embeddedVex: VexSummaries = vexSummaries;

/** Where the data is: beside this file in a checkout, and beside the bundle's file in a bundle. */
const defaultDataFolder = join(import.meta.dirname, "data");

/** A reconcile asks for one release, an upgrade for two; with four, changing back and forth stays cheap. */
const keptReleases = 4;
const kept = new Map<string, Release>();

/**
 * The embedded release `version` ("2.9.4"). Reads only that release's files, and none when it is among the last few asked for.
 * Throws UnknownReleaseError for a version that is not in `embeddedVersions`.
 */
export function loadRelease(version: string, dataFolder: string = defaultDataFolder): Release {
  if (!embeddedVersions.includes(version)) throw new UnknownReleaseError(version);
  const key = join(dataFolder, version);
  const release = kept.get(key) ?? readRelease(version, dataFolder);
  kept.delete(key);
  kept.set(key, release);
  const oldest = kept.keys().next();
  if (kept.size > keptReleases && oldest.done !== true) kept.delete(oldest.value);
  return release;
}

/** What the vendor said of the vulnerabilities of this minor when it was embedded; undefined for a minor that is not. */
export function loadVex(version: string, dataFolder: string = defaultDataFolder): VexDocument | undefined {
  const path = join(dataFolder, "vex", `v${minorOf(version)}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

/** The version is not embedded. */
export class UnknownReleaseError extends Error {
  override readonly name = "UnknownReleaseError";

  constructor(version: string) {
    super(
      `Cannot load Flux ${version}: it is not embedded; choose one of ${embeddedVersions.join(", ")}, or an artifact that has it`,
    );
  }
}

function readRelease(version: string, dataFolder: string): Release {
  const facts = readFacts(readJson(dataFolder, "releases", version), version);
  const index = readCrdIndex(readJson(dataFolder, "schemas", version), version);
  const crds: ReleaseCrds = Object.fromEntries(
    componentNames.map((name) => [
      name,
      (index[name]?.crds ?? []).map(({ file }) => readCrdSchema(readJson(dataFolder, "crds", file), file)),
    ]),
  );
  return buildRelease(facts, crds);
}

function readJson(dataFolder: string, folder: string, name: string): unknown {
  return JSON.parse(readFileSync(join(dataFolder, folder, `${name}.json`), "utf8"));
}
