import { parse } from "semver";

import type { CrdSchema } from "../src/distribution/components/controller.ts";
import type { ComponentName } from "../src/distribution/release.ts";
import { canonicalJson } from "../src/std/json.ts";
import type { CrdGenerator } from "./distribution-crds.ts";

/** How far from a refused module version a stand-in is looked for, in patch versions. */
const reach = 3;

export type StandInQuery = { readonly component: ComponentName; readonly release: string; readonly tag: string };

/**
 * The module version to read CRDs from in place of `tag`; undefined when `tag` itself can be had.
 * Taken without asking only where the next older and the next newer patch have the same CRDs, so that the one between has too.
 */
export async function findStandIn(generator: CrdGenerator, query: StandInQuery): Promise<string | undefined> {
  const own = await generator.generate(query.component, query.release, query.tag);
  if (own.kind === "crds") return undefined;
  const version = parse(query.tag);
  if (version === null) throw new Error(`Cannot find a stand-in for ${query.component} ${query.tag}: not a version`);
  const { major, minor, patch } = version;
  const distances = Array.from({ length: reach }, (_, index) => index + 1);
  const tagsOf = (patches: readonly number[]): readonly string[] =>
    patches.filter((candidate) => candidate >= 0).map((candidate) => `v${major}.${minor}.${candidate}`);
  const older = await firstToBeHad(generator, query, tagsOf(distances.map((distance) => patch - distance)));
  const newer = await firstToBeHad(generator, query, tagsOf(distances.map((distance) => patch + distance)));
  if (older !== undefined && newer !== undefined && sameCrds(older.crds, newer.crds)) return older.tag;
  const near = [older, newer].flatMap((found) => (found === undefined ? [] : [found.tag]));
  throw new Error(
    `Cannot choose a stand-in for ${query.component} ${query.tag} of Flux ${query.release}: ` +
      `${near.length === 2 ? `${near.join(" and ")} differ` : `only ${near.join() || "none"} is near`}; ` +
      `find out which has its CRDs and pass --api ${query.component}=<version> (the module itself: ${own.message})`,
  );
}

type Found = { readonly tag: string; readonly crds: readonly CrdSchema[] };

async function firstToBeHad(
  generator: CrdGenerator,
  { component, release }: StandInQuery,
  tags: readonly string[],
): Promise<Found | undefined> {
  for (const tag of tags) {
    const answer = await generator.generate(component, release, tag);
    if (answer.kind === "crds") return { tag, crds: answer.crds };
  }
  return undefined;
}

function sameCrds(left: readonly CrdSchema[], right: readonly CrdSchema[]): boolean {
  return canonicalJson(left) === canonicalJson(right);
}
