/** One line of two compared texts: in both, only in the old one, or only in the new one. */
export type DiffLine = { readonly kind: "same" | "removed" | "added"; readonly text: string };

/** With more changed lines than this, the rest is shown as replaced, since a reader would not compare it line by line. */
const maxChanges = 2_000;

/** The shortest edit from `before` to `after` (Myers, "An O(ND) Difference Algorithm", 1986). */
export function diffLines(before: readonly string[], after: readonly string[]): readonly DiffLine[] {
  const start = commonPrefix(before, after);
  const end = commonSuffix(before.slice(start), after.slice(start));
  const [old, young] = [before.slice(start, before.length - end), after.slice(start, after.length - end)];
  return [
    ...before.slice(0, start).map(same),
    ...(shortestEdit(old, young) ?? [...old.map(removed), ...young.map(added)]),
    ...before.slice(before.length - end).map(same),
  ];
}

/** Unified hunks with three lines of context, without file headers; empty when nothing differs. */
export function formatHunks(lines: readonly DiffLine[]): readonly string[] {
  return hunksOf(lines).flatMap((range) => {
    const heading = `@@ -${placeOf(lines, range, "removed")} +${placeOf(lines, range, "added")} @@`;
    return [heading].concat(lines.slice(range.from, range.to).map(({ kind, text }) => `${marks[kind]}${text}`));
  });
}

const context = 3;
const marks = { same: " ", removed: "-", added: "+" } as const;

type Range = { readonly from: number; readonly to: number };

function hunksOf(lines: readonly DiffLine[]): readonly Range[] {
  const hunks: Range[] = [];
  for (const [index, { kind }] of lines.entries()) {
    if (kind === "same") continue;
    const range = { from: Math.max(0, index - context), to: Math.min(lines.length, index + context + 1) };
    const last = hunks.at(-1);
    if (last === undefined || range.from > last.to) hunks.push(range);
    else hunks[hunks.length - 1] = { from: last.from, to: range.to };
  }
  return hunks;
}

type Side = "removed" | "added";

/** "12,7": the first line of the range on this side, and how many there are. */
function placeOf(lines: readonly DiffLine[], { from, to }: Range, side: Side): string {
  const count = countSide(lines.slice(from, to), side);
  return `${countSide(lines.slice(0, from), side) + (count === 0 ? 0 : 1)},${count}`;
}

function countSide(lines: readonly DiffLine[], side: Side): number {
  return lines.filter(({ kind }) => kind === "same" || kind === side).length;
}

/** Undefined when it would take more than `maxChanges`. `trace[d]` is the furthest x on each diagonal after d - 1 changes. */
function shortestEdit(old: readonly string[], young: readonly string[]): readonly DiffLine[] | undefined {
  const limit = Math.min(old.length + young.length, maxChanges);
  const reach = new Int32Array(2 * limit + 3);
  const trace: Int32Array[] = [];
  for (let changes = 0; changes <= limit; changes += 1) {
    trace.push(reach.slice());
    for (let diagonal = -changes; diagonal <= changes; diagonal += 2) {
      let x = stepOnto(reach, diagonal, { changes, middle: limit + 1 });
      while (x < old.length && x - diagonal < young.length && old[x] === young[x - diagonal]) x += 1;
      reach[limit + 1 + diagonal] = x;
      if (x >= old.length && x - diagonal >= young.length) return walkBack(trace, old, young, limit + 1);
    }
  }
  return undefined;
}

/** The x at which a path that changes onto `diagonal` from the better of its neighbours arrives: from above it adds, from the left it removes. */
function stepOnto(
  reach: Int32Array,
  diagonal: number,
  { changes, middle }: { readonly changes: number; readonly middle: number },
): number {
  const above = reach[middle + diagonal + 1] ?? 0;
  const left = reach[middle + diagonal - 1] ?? 0;
  return diagonal === -changes || (diagonal !== changes && left < above) ? above : left + 1;
}

function walkBack(
  trace: readonly Int32Array[],
  old: readonly string[],
  young: readonly string[],
  middle: number,
): readonly DiffLine[] {
  const lines: DiffLine[] = [];
  let [x, y] = [old.length, young.length];
  for (let changes = trace.length - 1; changes >= 0; changes -= 1) {
    const reach = trace[changes] ?? new Int32Array();
    const diagonal = x - y;
    const entry = stepOnto(reach, diagonal, { changes, middle });
    for (; x > entry && y > 0 && x > 0 && y > entry - diagonal; x -= 1, y -= 1) lines.push(same(old[x - 1] ?? ""));
    if (changes === 0) continue;
    const above =
      diagonal === -changes ||
      (diagonal !== changes && (reach[middle + diagonal - 1] ?? 0) < (reach[middle + diagonal + 1] ?? 0));
    if (above) lines.push(added(young[(y -= 1)] ?? ""));
    else lines.push(removed(old[(x -= 1)] ?? ""));
  }
  return lines.toReversed();
}

function commonPrefix(left: readonly string[], right: readonly string[]): number {
  const at = left.findIndex((line, index) => line !== right[index]);
  return at === -1 ? left.length : at;
}

function commonSuffix(left: readonly string[], right: readonly string[]): number {
  return commonPrefix(left.toReversed(), right.toReversed());
}

function same(text: string): DiffLine {
  return { kind: "same", text };
}

function removed(text: string): DiffLine {
  return { kind: "removed", text };
}

function added(text: string): DiffLine {
  return { kind: "added", text };
}
