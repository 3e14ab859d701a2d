import { isJsonObject } from "../std/json.ts";
import type { Problem } from "./evaluate-rules.ts";
import type { SyncRef } from "./schema/sync.ts";

type Source = "GitRepository" | "OCIRepository" | "Bucket";

/** The names that a source of Flux has under `spec.ref`; a bucket has none. */
const names: { readonly [kind in Source]: readonly (keyof SyncRef)[] } = {
  GitRepository: ["branch", "tag", "semver", "name", "commit"],
  OCIRepository: ["tag", "semver", "digest"],
  Bucket: [],
};

const longest = 1024;

/** What is wrong with `spec.sync.ref`, which is text or a map: a CRD can say neither, so that the API server does not look. */
export function refProblems(instance: unknown): readonly Problem[] {
  const sync = isJsonObject(instance) && isJsonObject(instance["spec"]) ? instance["spec"]["sync"] : undefined;
  if (!isJsonObject(sync)) return [];
  const { kind, ref } = sync;
  if (ref === undefined || ref === null || !isSource(kind)) return [];
  return problemsOf(ref, kind).map(([name, message]) => ({ field: `spec.sync.ref${name}`, message }));
}

type Finding = readonly [name: string, message: string];

function problemsOf(ref: unknown, kind: Source): readonly Finding[] {
  if (typeof ref === "string") return ref.length > longest ? [["", tooLong]] : [];
  if (!isJsonObject(ref)) {
    const remedy = typeof ref === "object" ? "" : ": put it in quotes";
    return [["", `must be text or a map, not ${JSON.stringify(ref)}${remedy}`]];
  }
  if (kind === "Bucket") return [["", "must be text for a Bucket: write the name of the bucket"]];
  const given = Object.entries(ref).filter(([, value]) => value !== null && value !== "");
  if (given.length === 0) return [["", `is an empty map: set ${names[kind].join(", ")}, or write text`]];
  return given.flatMap(([name, value]): readonly Finding[] => {
    if (!names[kind].some((known) => known === name)) {
      return [[`.${name}`, `is no field of the ref of a ${kind}: use ${names[kind].join(", ")}`]];
    }
    if (typeof value !== "string")
      return [[`.${name}`, `must be text, not ${JSON.stringify(value)}: put it in quotes`]];
    return value.length > longest ? [[`.${name}`, tooLong]] : [];
  });
}

const tooLong = `has more than the ${longest} characters allowed: shorten it`;

function isSource(kind: unknown): kind is Source {
  return typeof kind === "string" && Object.hasOwn(names, kind);
}

/** The ref without what is empty. */
export function canonicalRef(ref: string | SyncRef): string | SyncRef {
  if (typeof ref === "string") return ref;
  return Object.fromEntries(Object.entries(ref).filter(([, value]) => value !== "" && value !== null));
}
