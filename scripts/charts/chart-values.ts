import { isMap, isScalar, LineCounter, parseDocument, type Pair } from "yaml";
import type { JsonObject, JsonValue } from "../../src/std/json.ts";
import { isJsonObject } from "../../src/std/json.ts";

/** One key of a chart's values.yaml, with the comment above it. A leaf has no `members`. */
export type ChartValue = {
  /** "image.tag", as `--set` takes it. */
  readonly path: string;
  readonly name: string;
  /** What the comment says, in one line; "" without one. */
  readonly description: string;
  readonly default: JsonValue;
  /** What stands behind `@schema` in the comment. */
  readonly schema?: JsonObject;
  readonly members?: readonly ChartValue[];
};

/**
 * The values of a chart. A key is a leaf when it has no keys below it, or when its comment has a schema of its own. Our YAML reader has no comments,
 * so that this is the yaml library's; values.yaml has nothing that the two would read otherwise. Throws when a comment's schema is no JSON.
 */
export function readChartValues(text: string): readonly ChartValue[] {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter });
  const [error] = document.errors;
  if (error !== undefined) throw error;
  const { contents } = document;
  if (!isMap(contents)) throw new TypeError("Cannot read the values of a chart: they are no map");
  const lines = text.split("\n");
  return contents.items.map((pair) => readPair(pair, "", (offset) => commentAbove(lines, lineCounter, offset)));
}

function readPair({ key, value }: Pair, parent: string, commentAt: (offset: number) => readonly string[]): ChartValue {
  if (!isScalar(key) || !key.range)
    throw new TypeError(`Cannot read the values of a chart: below ${parent} is no text`);
  const name = String(key.value);
  const path = parent === "" ? name : `${parent}.${name}`;
  const comment = commentAt(key.range[0]);
  const written = comment.find((line) => line.startsWith(schemaMark));
  const schema: unknown = written === undefined ? undefined : JSON.parse(written.slice(schemaMark.length));
  const members =
    isMap(value) && value.items.length > 0 && schema === undefined
      ? value.items.map((pair) => readPair(pair, path, commentAt))
      : undefined;
  return {
    path,
    name,
    description: comment.filter((line) => line !== written).join(" "),
    default: jsonOf(value),
    ...(isJsonObject(schema) && { schema }),
    ...(members !== undefined && { members }),
  };
}

const schemaMark = "@schema ";

function commentAbove(lines: readonly string[], lineCounter: LineCounter, offset: number): readonly string[] {
  const comment: string[] = [];
  for (let line = lineCounter.linePos(offset).line - 2; line >= 0; line--) {
    const [, words] = /^\s*# ?(.*)$/.exec(lines[line] ?? "") ?? [];
    if (words === undefined) break;
    comment.unshift(words);
  }
  return comment;
}

function jsonOf(value: unknown): JsonValue {
  return typeof value === "object" && value !== null && "toJSON" in value && typeof value.toJSON === "function"
    ? value.toJSON()
    : null;
}
