/** A Flux minor, as rules name it: [2, 7] is every 2.7.x. */
export type Minor = readonly [major: number, minor: number];

/** Whether "2.9.4" belongs to the minor or to a later one. */
export function isAtLeast(version: string, [major, minor]: Minor): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split(".").map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
