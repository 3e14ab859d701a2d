import { minVersion, validRange } from "semver";

/** One comparator in npm's syntax, which has no `!=`. */
export type Comparator = { readonly text: string; readonly negated: boolean };

/** Comparators that must all match. */
export type Group = {
  /** As the user wrote it, spaces trimmed. */
  readonly text: string;
  readonly comparators: readonly Comparator[];
  readonly namesPrerelease: boolean;
  /** The majors that the group names; a `!=` names none. */
  readonly majors: readonly number[];
  /** The lowest version that could match; undefined when none can. */
  readonly lowest: string | undefined;
};

/** Groups, of which one must match. */
export type Range = readonly Group[];

/** A range, or what is wrong with its text. */
export type ParsedRange =
  | { readonly kind: "range"; readonly range: Range }
  | { readonly kind: "invalid"; readonly message: string };

const operator = String.raw`(?:!=|=>|=<|>=|<=|~>|[=<>~^])`;
const number = String.raw`(?:\d+|[xX*])`;
const version = String.raw`v?${number}(?:\.${number}){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?`;
// Spaces belong to an operator or to a separator, never to both: else many spaces would take exponential time.
const comparator = String.raw`(?:${operator}\s*)?${version}`;
const groupPattern = new RegExp(String.raw`^${comparator}(?:(?:\s*,\s*|\s+)${comparator})*$`);
const comparatorPattern = new RegExp(String.raw`(${operator}?)\s*(${version})`, "g");
const hyphenPattern = new RegExp(String.raw`(${version})\s+-\s+(${version})`, "g");

/** npm's spelling of operators that Masterminds semver also takes. */
const spellings: { readonly [operator: string]: string } = { "=>": ">=", "=<": "<=", "~>": "~" };

/** A range is written by people: a longer one is a mistake or an attack. */
const maxLength = 256;

/** Reads a range in the syntax of Masterminds semver v3. Never throws. */
export function parseRange(text: string): ParsedRange {
  if (text.length > maxLength) return { kind: "invalid", message: `it is longer than ${maxLength} characters` };
  const groups: Group[] = [];
  for (const part of text.split("||")) {
    const group = parseGroup(part.trim());
    if (group === undefined) {
      return {
        kind: "invalid",
        message: `"${part.trim()}" is not a version or range such as "2.9.4", "2.9.x" or ">=2.6 <2.8"`,
      };
    }
    groups.push(group);
  }
  return { kind: "range", range: groups };
}

function parseGroup(text: string): Group | undefined {
  const spelled = text.replace(hyphenPattern, ">=$1 <=$2");
  if (!groupPattern.test(spelled)) return undefined;
  const found = [...spelled.matchAll(comparatorPattern)].map(([, sign = "", bare = ""]) => ({
    sign: spellings[sign] ?? sign,
    bare: bare.replace(/^v/, ""),
  }));
  const comparators = found.map(({ sign, bare }) =>
    sign === "!=" ? { text: bare, negated: true } : { text: `${sign}${bare}`, negated: false },
  );
  if (comparators.some((comparator) => validRange(comparator.text) === null)) return undefined;
  const positive = found.filter(({ sign }) => sign !== "!=");
  return {
    text,
    comparators,
    namesPrerelease: found.some(({ bare }) => /^[^+]*-/.test(bare)),
    majors: positive.flatMap(({ bare }) => (/^\d/.test(bare) ? [Number.parseInt(bare, 10)] : [])),
    lowest: lowestOf(comparators),
  };
}

function lowestOf(comparators: readonly Comparator[]): string | undefined {
  const text = comparators.flatMap((comparator) => (comparator.negated ? [] : [comparator.text])).join(" ");
  return minVersion(text === "" ? "*" : text)?.version;
}
