/** The tokens of a JSON pointer (RFC 6901), unescaped: "/a~1b/0" is ["a/b", "0"]. Text before the first "/" is ignored. */
export function parsePointer(pointer: string): readonly string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The reverse of `parsePointer`. */
export function formatPointer(tokens: readonly string[]): string {
  return tokens.map((token) => `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** A pointer in the form in which people write fields: "/spec/items/0/name" is "spec.items[0].name". */
export function fieldOfPointer(pointer: string): string {
  return parsePointer(pointer).reduce(
    (field, token) => (/^\d+$/.test(token) ? `${field}[${token}]` : joinField(field, token)),
    "",
  );
}

/** "spec.name" of "spec" and "name"; the name alone at the root. */
export function joinField(field: string, name: string): string {
  return field === "" ? name : `${field}.${name}`;
}
