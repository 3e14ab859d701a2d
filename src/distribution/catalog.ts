import { compare, major, parse, rcompare, satisfies } from "semver";

import { parseRange } from "./range.ts";
import type { Range } from "./range.ts";

/** The major that an open range ("*", ">=2") is limited to; later ones only for a range that names them. */
const currentMajor = 2;

/** What else is known when a release is looked for. */
export type FindOptions = {
  /** Whether this operator can render a version. By default it can render all of `available`. */
  readonly supports?: (version: string) => boolean;
  /** Versions known from elsewhere (the embedded ones, when `available` is an artifact's), to explain why there is none. */
  readonly known?: readonly string[];
};

/** Why a range selects no release. */
export type NoReleaseReason = "no-such-version" | "not-in-artifact" | "needs-newer-operator";

/** The release that a range selects, or why there is none. */
export type FoundRelease =
  | { readonly kind: "found"; readonly version: string }
  | { readonly kind: "invalid-range"; readonly message: string }
  | { readonly kind: "none"; readonly why: NoReleaseReason; readonly message: string };

/**
 * The newest of `available` that `range` selects, as Masterminds semver v3 reads it: comma or space for and, `||` for or, `x` and `*`, `~`,
 * `^`, hyphens, `!=`, a leading v; prereleases only if the range names one. Unlike there, a range that does not name a new major never selects
 * it. `available` is without a leading v.
 */
export function findRelease(range: string, available: readonly string[], options: FindOptions = {}): FoundRelease {
  const parsed = parseRange(range);
  if (parsed.kind === "invalid") {
    return { kind: "invalid-range", message: `Cannot read version range "${range}": ${parsed.message}` };
  }
  const supports = options.supports ?? (() => true);
  const matching = newestFirst(available).filter((version) => takes(parsed.range, version));
  const found = matching.find(supports);
  if (found !== undefined) return { kind: "found", version: found };
  return { kind: "none", ...explain(parsed.range, { available, matching, known: options.known ?? [], supports }) };
}

/** The newest stable version of the current major, for `status.latestVersion`; undefined when there is none. */
export function latestRelease(available: readonly string[]): string | undefined {
  return newestFirst(available).find((version) => major(version) === currentMajor && !isPrerelease(version));
}

function takes(range: Range, version: string): boolean {
  return range.some(({ comparators, namesPrerelease, majors }) => {
    if (isPrerelease(version) && !namesPrerelease) return false;
    if (major(version) > currentMajor && !majors.includes(major(version))) return false;
    return comparators.every(
      ({ text, negated }) => satisfies(version, text, { includePrerelease: namesPrerelease }) !== negated,
    );
  });
}

type Search = {
  readonly available: readonly string[];
  readonly matching: readonly string[];
  readonly known: readonly string[];
  readonly supports: (version: string) => boolean;
};

function explain(range: Range, search: Search): { readonly why: NoReleaseReason; readonly message: string } {
  const text = range.map((group) => group.text).join(" || ");
  const [unsupported] = search.matching;
  const newest = newestFirst(search.available)[0];
  if (unsupported !== undefined) {
    return {
      why: "needs-newer-operator",
      message: `Cannot use Flux ${unsupported}, which version range "${text}" takes: this operator does not know it; upgrade the operator or choose an older version`,
    };
  }
  const missing = newestFirst(search.known).find((version) => takes(range, version));
  if (missing !== undefined) {
    const near = nearest([missing], search.available);
    const problem =
      near.length === 0
        ? `the artifact does not have Flux ${missing} yet, its newest is ${newest ?? "none"}; use a newer artifact`
        : `the artifact does not have Flux ${missing}, the nearest that it has are ${enumerate(near)}; use another artifact`;
    return {
      why: "not-in-artifact",
      message: `Cannot find a release for version range "${text}": ${problem} or the embedded releases`,
    };
  }
  const has = describe(range, search.available);
  if (newest !== undefined && isAhead(range, newest)) {
    return {
      why: "needs-newer-operator",
      message: `Cannot find a release for version range "${text}": ${has}; a later one needs a newer operator or a newer artifact`,
    };
  }
  return { why: "no-such-version", message: `Cannot find a release for version range "${text}": ${has}` };
}

/** Whether every alternative of the range starts above `newest`: what it asks for may exist by now. */
function isAhead(range: Range, newest: string): boolean {
  return range.every(({ lowest }) => lowest !== undefined && compare(lowest, newest) > 0);
}

function describe(range: Range, available: readonly string[]): string {
  const sorted = newestFirst(available);
  if (sorted.length === 0) return "there are no releases at all";
  const [single] = range.length === 1 ? range : [];
  const exact = single === undefined ? null : parse(single.text);
  const near = nearest(
    range.flatMap(({ lowest }) => lowest ?? []),
    available,
  );
  return [
    `there are releases ${sorted.at(-1)} to ${sorted[0]}, `,
    exact === null ? "and none that it takes" : `${exact.version} is not among them`,
    near.length === 0 ? "" : `; the nearest are ${enumerate(near)}`,
  ].join("");
}

/** The stable releases on both sides of each version that lies between two of them, oldest first. */
function nearest(wanted: readonly string[], available: readonly string[]): readonly string[] {
  const sorted = newestFirst(available).filter((version) => !isPrerelease(version));
  const found = wanted.flatMap((version) => {
    const below = sorted.find((candidate) => compare(candidate, version) < 0);
    const above = sorted.findLast((candidate) => compare(candidate, version) > 0);
    return below === undefined || above === undefined ? [] : [below, above];
  });
  return [...new Set(found)].toSorted(compare);
}

function enumerate(versions: readonly string[]): string {
  return `${versions.slice(0, -1).join(", ")} and ${versions.at(-1)}`;
}

function newestFirst(versions: readonly string[]): readonly string[] {
  return versions.filter((version) => parse(version) !== null).toSorted(rcompare);
}

function isPrerelease(version: string): boolean {
  return (parse(version)?.prerelease.length ?? 0) > 0;
}
