/** At most `most` of the parts, then how many more there are: ["a", "b", "and 3 more"]. */
export function shorten(parts: readonly string[], most: number): readonly string[] {
  return parts.length <= most ? parts : [...parts.slice(0, most), `and ${parts.length - most} more`];
}

/** The same as one text: "a, b and 3 more". */
export function enumerate(names: readonly string[], most: number): string {
  const shown = names.slice(0, most).join(", ");
  return names.length <= most ? shown : `${shown} and ${names.length - most} more`;
}
