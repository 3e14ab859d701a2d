/** What is asked for. */
export type ReleaseRequest = { readonly version: string; readonly dryRun: boolean };

/** What the checkout is like. */
export type Checkout = {
  /** The version in package.json. */
  readonly version: string;
  readonly changelog: string;
  /** Lines of `git status --short`. */
  readonly changes: readonly string[];
  readonly tags: readonly string[];
};

/** Why there can be no such release of the checkout: sentences with what to do. A dry run asks for no more than a version. */
export function refusals({ version, dryRun }: ReleaseRequest, checkout: Checkout): readonly string[] {
  const problem = versionProblem(version);
  if (problem !== undefined) return [problem];
  if (dryRun) return [];
  return [
    ...(checkout.changes.length === 0
      ? []
      : [`the checkout has changes that are not committed (${checkout.changes.length}): commit or remove them`]),
    ...(checkout.tags.includes(`v${version}`) ? [`the tag v${version} exists: choose another version`] : []),
    ...(checkout.version === version
      ? []
      : [
          `package.json has the version ${checkout.version}: run npm run release:version -- ${version} and npm run generate, and commit the result`,
        ]),
    ...(sectionOf(checkout.changelog, version) === undefined
      ? [`CHANGELOG.md has no section ${version}: rename its section Unreleased`]
      : []),
  ];
}

/** Why there can be no such version. Timoni takes no other forms, and a tag of an image no build. */
export function versionProblem(version: string): string | undefined {
  if (/^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-(alpha|beta|rc)\.(0|[1-9]\d*))?$/.test(version)) return undefined;
  return `${version || "nothing"} is no version that can be released: name one such as 1.2.3 or 1.2.3-rc.1`;
}

/** The section of a version in a changelog, without its heading; undefined where there is none. */
export function sectionOf(changelog: string, version: string): string | undefined {
  const heading = `## [${version}]`;
  const lines = changelog.split("\n");
  const from = lines.findIndex((line) => line === heading || line.startsWith(`${heading} `));
  if (from === -1) return undefined;
  const rest = lines.slice(from + 1);
  const to = rest.findIndex((line) => line.startsWith("## "));
  return rest
    .slice(0, to === -1 ? undefined : to)
    .join("\n")
    .trim();
}
