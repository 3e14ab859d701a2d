/** What a registry asks for in WWW-Authenticate (RFC 9110, 11.6.1), as far as we can answer it. */
export type Challenge =
  | { readonly kind: "basic" }
  | { readonly kind: "bearer"; readonly realm: string; readonly service?: string; readonly scope?: string }
  /** Schemes that we do not support, in lower case: "negotiate". */
  | { readonly kind: "unknown"; readonly schemes: readonly string[] };

type Parsed = { readonly scheme: string; readonly parameters: Map<string, string> };

const maxHeaderLength = 8192;

/** The challenge to answer: Bearer with a realm before Basic, in any order of `headers`. */
export function chooseChallenge(headers: readonly string[]): Challenge {
  const parsed = headers.flatMap((header) => parseChallenges(header.slice(0, maxHeaderLength)));
  for (const { scheme, parameters } of parsed) {
    const realm = parameters.get("realm");
    if (scheme !== "bearer" || realm === undefined || realm === "") continue;
    const [service, scope] = [parameters.get("service"), parameters.get("scope")];
    return {
      kind: "bearer",
      realm,
      ...(service === undefined ? {} : { service }),
      ...(scope === undefined ? {} : { scope }),
    };
  }
  if (parsed.some(({ scheme }) => scheme === "basic")) return { kind: "basic" };
  return { kind: "unknown", schemes: [...new Set(parsed.map(({ scheme }) => scheme))].toSorted() };
}

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const blank = /[\s,]*/y;
const space = /[ \t]+/y;
const equals = /\s*=\s*/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;
/** token68, as Negotiate sends it. */
const credential = /[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))/y;

function parseChallenges(header: string): readonly Parsed[] {
  const challenges: Parsed[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(header);
    if (found === null) return undefined;
    at = pattern.lastIndex;
    return found;
  };
  while (at < header.length) {
    take(blank);
    const word = take(token)?.[0];
    if (word === undefined) return challenges;
    const current = challenges.at(-1);
    if (current !== undefined && take(equals) !== undefined) {
      const value = take(quoted)?.[1]?.replaceAll(/\\(.)/g, "$1") ?? take(token)?.[0] ?? "";
      current.parameters.set(word.toLowerCase(), value);
      continue;
    }
    challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
    // What follows a scheme is a parameter or a token68; we ignore the latter.
    const start = at;
    take(space);
    if (take(credential) === undefined) at = start;
  }
  return challenges;
}
