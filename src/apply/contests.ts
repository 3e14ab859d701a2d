import { fieldsOf } from "../kube/fields.ts";
import { formatObjectId, nameObject, objectIdOf, type ObjectId } from "../kube/object-id.ts";
import type { JsonValue, KubeObject, ManagedFieldsEntry } from "../kube/object.ts";
import { backoffMs, type BackoffLimits } from "../std/backoff.ts";
import { isJsonObject } from "../std/json.ts";
import { comparable } from "./compare.ts";

/** How often an object is repaired at once, each time that another client has changed it. */
const freeRepairs = 10;
/** How long an object is left alone after that, growing with each further repair. */
const pause: BackoffLimits = { baseMs: 15_000, maxMs: 10 * 60_000 };
/** After so long without a change by others, beyond its pause, an object is no longer contested. */
const quietMs = 60_000;

type Contest = { readonly repairs: number; readonly lastMs: number; readonly text: string };

/**
 * Objects that another client changes back each time that we repair them: how often that was, and when they are repaired next. Whoever fights us
 * costs 10 repairs at once, and one every 10 minutes in the long run, for each object. It lives as long as the process. Times in milliseconds of
 * a monotonic clock.
 */
export class Contests {
  readonly #contests = new Map<string, Contest>();

  /** Counts a repair at `nowMs`. `live` is the object as another client has left it, undefined when it was deleted; `answer` is the repaired one. */
  repaired(answer: KubeObject, live: KubeObject | undefined, { nowMs, own }: { nowMs: number; own: string }): void {
    const id = formatObjectId(objectIdOf(answer));
    const before = this.#contests.get(id);
    const repairs = before === undefined || isOver(before, nowMs) ? 1 : before.repairs + 1;
    this.#contests.set(id, { repairs, lastMs: nowMs, text: `${nameObject(answer)}: ${cause(answer, live, own)}` });
  }

  /** Whether the object is left as it is for now. */
  isPaused(id: ObjectId, nowMs: number): boolean {
    const contest = this.#contests.get(formatObjectId(id));
    return contest !== undefined && nowMs < dueMs(contest);
  }

  /** Lets every object be repaired now. One that is changed back again is left alone again after that one repair. */
  resume(nowMs: number): void {
    for (const [id, contest] of this.#contests) {
      const lastMs = nowMs - (dueMs(contest) - contest.lastMs);
      this.#contests.set(id, { ...contest, lastMs: Math.min(contest.lastMs, lastMs) });
    }
  }

  /** The contested objects, each with who changes what, sorted; and when to look at the first of them again, in milliseconds from `nowMs`. */
  told(nowMs: number): { readonly texts: readonly string[]; readonly dueMs?: number } {
    const contested = [...this.#contests.values()].filter((one) => one.repairs >= freeRepairs && !isOver(one, nowMs));
    if (contested.length === 0) return { texts: [] };
    const next = Math.min(...contested.map((one) => (nowMs < dueMs(one) ? dueMs(one) : endMs(one))));
    return { texts: contested.map(({ text }) => text).toSorted(), dueMs: Math.max(0, next - nowMs) };
  }

  /** Forgets all objects but those with these inventory ids. */
  forgetOthers(keep: ReadonlySet<string>): void {
    for (const id of this.#contests.keys()) if (!keep.has(id)) this.#contests.delete(id);
  }
}

function dueMs({ repairs, lastMs }: Contest): number {
  return repairs < freeRepairs ? lastMs : lastMs + backoffMs(repairs - freeRepairs + 1, pause);
}

function endMs(contest: Contest): number {
  return dueMs(contest) + quietMs;
}

function isOver(contest: Contest, nowMs: number): boolean {
  return nowMs > endMs(contest);
}

/** "argocd-controller changes spec.replicas", as far as managedFields tell. */
function cause(answer: KubeObject, live: KubeObject | undefined, own: string): string {
  if (live === undefined) return "another client deletes it";
  const path = firstDifference(comparable(answer), comparable(live)) ?? [];
  return `${writerOf(live.metadata.managedFields ?? [], path, own) ?? "another client"} changes ${path.join(".")}`;
}

/** The path to the first field with another value, as deep as objects go; undefined when all are equal. */
function firstDifference(wanted: JsonValue | undefined, found: JsonValue | undefined): readonly string[] | undefined {
  if (!isJsonObject(wanted) || !isJsonObject(found)) {
    return JSON.stringify(wanted) === JSON.stringify(found) ? undefined : [];
  }
  for (const key of new Set([...Object.keys(wanted), ...Object.keys(found)])) {
    const below = firstDifference(wanted[key], found[key]);
    if (below !== undefined) return [key, ...below];
  }
  return undefined;
}

/** The other field manager that has written the field at `path`; when none holds it, as after a removal, the one that has written last. */
function writerOf(entries: readonly ManagedFieldsEntry[], path: readonly string[], own: string): string | undefined {
  const others = entries.filter(({ manager, subresource }) => manager !== own && subresource !== "status");
  const holders = others.filter(({ fieldsV1 }) => holds(fieldsV1, path));
  return (holders.length > 0 ? holders : others)
    .toSorted((left, right) => ((left.time ?? "") < (right.time ?? "") ? 1 : -1))
    .at(0)?.manager;
}

function holds(fields: JsonValue | undefined, path: readonly string[]): boolean {
  const [first, ...rest] = path;
  if (first === undefined) return true;
  const node = fieldsOf(fields)[`f:${first}`];
  return node !== undefined && holds(node, rest);
}
