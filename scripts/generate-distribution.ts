import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { compare } from "semver";

import type { ReleaseFacts } from "../src/distribution/build-release.ts";
import { readFacts } from "../src/distribution/read-data.ts";
import type { ComponentCrds } from "../src/distribution/read-data.ts";
import { componentNames } from "../src/distribution/release.ts";
import type { ComponentName } from "../src/distribution/release.ts";
import { canonicalJson } from "../src/std/json.ts";
import type { JsonValue } from "../src/std/json.ts";
import { sha256Hex } from "../src/std/digest.ts";
import { GoMissingError, apiModule, openCrdGenerator } from "./distribution-crds.ts";

const dataFolder = join(import.meta.dirname, "../src/distribution/data");

/**
 * Writes `data/versions.json`, `data/schemas/<version>.json` and `data/crds/<sha256>.json` from `data/releases/` and the
 * published API modules; with `check` only compares, and answers whether all is fresh.
 */
export async function generateDistribution({ check }: { readonly check: boolean }): Promise<boolean> {
  const releases = await readReleases();
  const wanted = await generateFiles(releases);
  const stale = await compareFiles(wanted);
  if (check) {
    for (const path of stale) console.log(`stale: src/distribution/data/${path}`);
    return stale.length === 0;
  }
  for (const path of stale) {
    const text = wanted.get(path);
    if (text === undefined) await rm(join(dataFolder, path));
    else await writeText(join(dataFolder, path), text);
  }
  console.log(`distribution: ${releases.length} releases, ${wanted.size} files, ${stale.length} changed`);
  return true;
}

async function readReleases(): Promise<readonly ReleaseFacts[]> {
  const folder = join(dataFolder, "releases");
  const files = (await readdir(folder)).filter((file) => file.endsWith(".json"));
  const facts = await Promise.all(
    files.map(async (file) => readFacts(JSON.parse(await readFile(join(folder, file), "utf8")), file)),
  );
  return facts.toSorted((left, right) => compare(left.version, right.version));
}

/** Path below the data folder -> content. */
async function generateFiles(releases: readonly ReleaseFacts[]): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  await using generator = await openCrdGenerator();
  for (const facts of releases) {
    const index: { [component in ComponentName]?: ComponentCrds } = {};
    for (const name of componentNames) {
      const tag = facts.components[name];
      if (tag === undefined) continue;
      const moduleVersion = facts.standIns?.[name] ?? tag;
      const answer = await generator.generate(name, facts.version, moduleVersion);
      if (answer.kind === "refused") throw new RefusedError(facts.version, name, answer.message);
      const entries = answer.crds.map((crd) => ({ crd, text: `${canonicalJson(crd)}\n` }));
      for (const { text } of entries) files.set(`crds/${fileDigest(text)}.json`, text);
      index[name] = {
        module: `${apiModule(name)}@${moduleVersion}`,
        ...(moduleVersion === tag ? {} : { standsInFor: tag }),
        crds: entries.map(({ crd, text }) => ({ name: crd.name, file: fileDigest(text) })),
      };
    }
    files.set(`schemas/${facts.version}.json`, prettyJson(index));
  }
  files.set("versions.json", prettyJson(releases.map(({ version }) => version)));
  return files;
}

class RefusedError extends Error {
  override readonly name = "RefusedError";

  constructor(release: string, component: ComponentName, refusal: string) {
    super(
      `Cannot generate the CRDs of ${component} of Flux ${release}: its module is refused; import the release again to find a stand-in: ${refusal}`,
    );
  }
}

/** 16 hex digits tell a hundred files apart and keep the names readable. */
function fileDigest(text: string): string {
  return sha256Hex(text).slice(0, 16);
}

/** Paths whose content differs, is missing, or should not be there. What was imported is no output. */
async function compareFiles(wanted: ReadonlyMap<string, string>): Promise<readonly string[]> {
  const present = (await readdir(dataFolder, { recursive: true })).filter((path) => path.endsWith(".json"));
  const surplus = present.filter(
    (path) => !/^(?:releases\/|vex\/|vex-summaries\.json$)/.test(path) && !wanted.has(path),
  );
  const differing: string[] = [];
  for (const [path, text] of wanted) {
    if ((await readIfPresent(join(dataFolder, path))) !== text) differing.push(path);
  }
  return [...surplus, ...differing].toSorted();
}

async function readIfPresent(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
}

async function writeText(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

function prettyJson(value: JsonValue): string {
  return `${JSON.stringify(value, undefined, 1)}\n`;
}

async function main(): Promise<void> {
  const check = process.argv.includes("--check");
  try {
    if (!(await generateDistribution({ check }))) process.exitCode = 1;
  } catch (error) {
    if (!check || !(error instanceof GoMissingError)) throw error;
    console.log(`skipped: the distribution data is not checked: ${error.message}`);
  }
}

if (import.meta.main) await main();
