import { UnreachableError } from "../std/errors.ts";

/**
 * A parsed label selector: all of its requirements must match. It works for labels and annotations alike. Same syntax and meaning as
 * apimachinery's labels.Parse.
 */
export type Selector = readonly Requirement[];

/** One requirement of a selector. */
export type Requirement =
  | { readonly operator: "exists" | "not-exists"; readonly key: string }
  | { readonly operator: "in" | "not-in"; readonly key: string; readonly values: readonly string[] }
  | { readonly operator: "greater" | "less"; readonly key: string; readonly value: bigint };

/** Labels or annotations. */
export type Labels = { readonly [key: string]: string };

/** The text is no selector. */
export class SelectorError extends Error {
  constructor(selector: string, problem: string) {
    super(`Cannot read selector ${JSON.stringify(selector)}: ${problem}`);
    this.name = "SelectorError";
  }
}

/**
 * Reads `a=b`, `a==b`, `a!=b`, `a in (b, c)`, `a notin (b)`, `a`, `!a`, `a>1`, `a<1`, joined by commas.
 * The empty text selects everything. Throws SelectorError.
 */
export function parseSelector(text: string): Selector {
  const reader: TokenReader = { text, tokens: tokenize(text), position: 0 };
  const requirements: Requirement[] = [];
  while (peek(reader) !== undefined) {
    requirements.push(readRequirement(reader));
    const separator = take(reader);
    if (separator === undefined) break;
    if (separator !== ",") throw unexpected(reader, separator, "a comma or the end");
    if (peek(reader) === undefined) throw new SelectorError(text, "nothing stands after the last comma");
  }
  return requirements;
}

/** Whether `labels` match all requirements. */
export function matchesSelector(selector: Selector, labels: Labels): boolean {
  return selector.every((requirement) => matchesRequirement(requirement, labels));
}

function matchesRequirement(requirement: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  switch (requirement.operator) {
    case "exists":
      return value !== undefined;
    case "not-exists":
      return value === undefined;
    case "in":
      return value !== undefined && requirement.values.includes(value);
    case "not-in":
      return value === undefined || !requirement.values.includes(value);
    case "greater":
      return value !== undefined && isInteger(value) && BigInt(value) > requirement.value;
    case "less":
      return value !== undefined && isInteger(value) && BigInt(value) < requirement.value;
    default:
      throw new UnreachableError(requirement);
  }
}

type TokenReader = { readonly text: string; readonly tokens: readonly string[]; position: number };

const symbols = new Set(["=", "==", "!=", "!", "(", ")", ",", "<", ">"]);

/** Everything that is no symbol and no white space is a word; only their position makes `in` and `notin` operators. */
function tokenize(text: string): readonly string[] {
  return text.match(/==|!=|[=!(),<>]|[^=!(),<>\s]+/g) ?? [];
}

function peek(reader: TokenReader): string | undefined {
  return reader.tokens[reader.position];
}

function take(reader: TokenReader): string | undefined {
  const token = peek(reader);
  reader.position += 1;
  return token;
}

function unexpected(reader: TokenReader, token: string | undefined, expected: string): SelectorError {
  return new SelectorError(
    reader.text,
    `${token === undefined ? "the end" : `"${token}"`} stands where ${expected} must`,
  );
}

function readRequirement(reader: TokenReader): Requirement {
  const negated = peek(reader) === "!";
  if (negated) take(reader);
  const key = take(reader);
  if (key === undefined || symbols.has(key)) throw unexpected(reader, key, "a key");
  checkKey(reader, key);
  const next = peek(reader);
  if (next === undefined || next === ",") return { operator: negated ? "not-exists" : "exists", key };
  if (negated) throw unexpected(reader, next, "a comma or the end");
  return readComparison(reader, key);
}

function readComparison(reader: TokenReader, key: string): Requirement {
  const operator = take(reader);
  switch (operator ?? "") {
    case "=":
    case "==":
      return { operator: "in", key, values: [readExactValue(reader)] };
    case "!=":
      return { operator: "not-in", key, values: [readExactValue(reader)] };
    case "in":
      return { operator: "in", key, values: readValues(reader) };
    case "notin":
      return { operator: "not-in", key, values: readValues(reader) };
    case ">":
      return { operator: "greater", key, value: readInteger(reader) };
    case "<":
      return { operator: "less", key, value: readInteger(reader) };
    default:
      throw unexpected(reader, operator, "one of = == != in notin < >");
  }
}

function readExactValue(reader: TokenReader): string {
  const next = peek(reader);
  if (next === undefined || next === ",") return "";
  if (symbols.has(next)) throw unexpected(reader, next, "a value");
  take(reader);
  return checkValue(reader, next);
}

function readInteger(reader: TokenReader): bigint {
  const value = readExactValue(reader);
  if (!isInteger(value)) throw new SelectorError(reader.text, `"${value}" is no integer`);
  return BigInt(value);
}

/** Reads `(a, b)`; an empty place is the empty value. */
function readValues(reader: TokenReader): readonly string[] {
  const open = take(reader);
  if (open !== "(") throw unexpected(reader, open, '"("');
  const values: string[] = [];
  for (;;) {
    const next = peek(reader);
    if (next === "," || next === ")") values.push("");
    else values.push(readListed(reader));
    const separator = take(reader);
    if (separator === ")") return values;
    if (separator !== ",") throw unexpected(reader, separator, '"," or ")"');
  }
}

function readListed(reader: TokenReader): string {
  const value = take(reader);
  if (value === undefined || symbols.has(value)) throw unexpected(reader, value, "a value");
  return checkValue(reader, value);
}

const qualifiedName = /^(?:(?<prefix>[^/]*)\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const dnsSubdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const labelValue = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

function checkKey(reader: TokenReader, key: string): void {
  const name = qualifiedName.exec(key);
  const prefix = name?.groups?.["prefix"];
  const prefixFits = prefix === undefined || (prefix.length <= 253 && dnsSubdomain.test(prefix));
  if (name === null || !prefixFits) throw new SelectorError(reader.text, `"${key}" is no label key`);
}

function checkValue(reader: TokenReader, value: string): string {
  if (labelValue.test(value)) return value;
  throw new SelectorError(
    reader.text,
    `"${value}" is no label value: at most 63 of letters, digits, "-", "_" and ".", beginning and ending with a letter or digit`,
  );
}

function isInteger(text: string): boolean {
  return /^-?\d{1,18}$/.test(text);
}

/** "a=b,c=d", the selector of objects with all of `labels`. */
export function formatSelector(labels: { readonly [key: string]: string }): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}
