import type { JsonValue } from "../../src/std/json.ts";

/** An expression of Terraform's language, in the lines in which it is formatted. */
export type Expression = readonly [string, ...string[]];

/** A block or an object without its braces: what stands in each line, or a block of lines. */
export type Member = { readonly name: string; readonly value: Expression };

const indented = (lines: readonly string[]): readonly string[] => lines.map((line) => (line === "" ? "" : `  ${line}`));

/** `name = value` in lines, the signs of equality in one column as `terraform fmt` has them. */
export function assignments(members: readonly Member[]): readonly string[] {
  return members.flatMap(({ name, value: [first, ...rest] }, index) => {
    const width = Math.max(...runAround(members, index).map((member) => member.name.length));
    return [`${name.padEnd(rest.length > 0 ? name.length : width)} = ${first}`, ...rest];
  });
}

/** The members of one line each that stand together with that at `index`. */
function runAround(members: readonly Member[], index: number): readonly Member[] {
  const isShort = (at: number): boolean => members[at]?.value.length === 1;
  if (!isShort(index)) return members.slice(index, index + 1);
  let [from, to] = [index, index];
  while (isShort(from - 1)) from -= 1;
  while (isShort(to + 1)) to += 1;
  return members.slice(from, to + 1);
}

/** A block such as `variable "name" { ... }`. */
export function block(head: string, body: readonly string[]): readonly string[] {
  return [`${head} {`, ...indented(body), "}"];
}

/** `head({ members })`, such as a type of an object. */
export function objectOf(head: string, members: readonly Member[], tail: string): Expression {
  return [`${head}{`, ...indented(assignments(members)), `}${tail}`];
}

/** What stands between `before` and `after`, which are in its first and its last line. */
export function around(before: string, expression: Expression, after: string): Expression {
  const [first, ...rest] = expression;
  const last = rest.at(-1);
  if (last === undefined) return [`${before}${first}${after}`];
  return [`${before}${first}`, ...rest.slice(0, -1), `${last}${after}`];
}

/** A value in one line. */
export function literal(value: JsonValue): string {
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, member]) => ` ${name} = ${literal(member)} `)
    .join(",")}}`;
}

/** A text, in which nothing is a template. */
export function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(/[$%](?=\{)/g, (sign) => sign + sign);
}
