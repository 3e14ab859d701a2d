import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readCheckout } from "../scripts/release/checkout.ts";
import { releaseNotes } from "../scripts/release/notes.ts";
import { provenanceOf } from "../scripts/release/provenance.ts";
import { refusals, sectionOf, type Checkout, type ReleaseRequest } from "../scripts/release/refusals.ts";
import { fieldsOf, listOf, textOf } from "../src/kube/fields.ts";
import { parseKubeYaml } from "../src/std/yaml.ts";
import { setVersion } from "../scripts/release/set-version.ts";
import type { Release } from "../scripts/release/release.ts";

const ready: Checkout = { version: "1.2.3", changelog: "## [1.2.3] - 2026-01-01\n", changes: [], tags: ["v1.2.2"] };

const rows: readonly {
  readonly name: string;
  readonly request?: Partial<ReleaseRequest>;
  readonly checkout?: Partial<Checkout>;
  readonly want: readonly RegExp[];
}[] = [
  { name: "nothing of a checkout that is ready", want: [] },
  {
    name: "no version",
    request: { version: "" },
    want: [/^nothing is no version that can be released: name one such as/],
  },
  { name: "a version with a v", request: { version: "v1.2.3" }, want: [/^v1\.2\.3 is no version/] },
  { name: "a version of two numbers", request: { version: "1.2" }, want: [/^1\.2 is no version/] },
  {
    name: "another word for a release candidate",
    request: { version: "1.2.3-pre.1" },
    want: [/^1\.2\.3-pre\.1 is no version/],
  },
  { name: "a range", request: { version: "1.2.x" }, want: [/^1\.2\.x is no version/] },
  {
    name: "a version with a build, which no tag can have",
    request: { version: "1.2.3+5" },
    want: [/^1\.2\.3\+5 is no version/],
  },
  { name: "no version in a dry run either", request: { version: "", dryRun: true }, want: [/^nothing is no version/] },
  {
    name: "changes that are not committed",
    checkout: { changes: [" M README.md", "?? new.ts"] },
    want: [/^the checkout has changes that are not committed \(2\): commit or remove them$/],
  },
  { name: "a tag that exists", checkout: { tags: ["v1.2.3"] }, want: [/^the tag v1\.2\.3 exists/] },
  {
    name: "a manifest of another version",
    checkout: { version: "1.2.2" },
    want: [/^package\.json has the version 1\.2\.2: run npm run release:version -- 1\.2\.3/],
  },
  {
    name: "a changelog without the version",
    checkout: { changelog: "## [Unreleased]\n\n## [1.2.30]\n" },
    want: [/^CHANGELOG\.md has no section 1\.2\.3: rename its section Unreleased$/],
  },
  {
    name: "all of it at once",
    checkout: { version: "1.0.0", changelog: "", changes: ["?? a"], tags: ["v1.2.3"] },
    want: [/changes/, /tag/, /package\.json/, /CHANGELOG/],
  },
  {
    name: "nothing of all that in a dry run",
    request: { dryRun: true },
    checkout: { version: "1.0.0", changelog: "", changes: ["?? a"], tags: ["v1.2.3"] },
    want: [],
  },
  { name: "nothing of a version before a release", request: { version: "1.2.3-rc.1", dryRun: true }, want: [] },
];
for (const { name, request, checkout, want } of rows)
  test(`refusals() names ${name}`, () => {
    const found = refusals({ version: "1.2.3", dryRun: false, ...request }, { ...ready, ...checkout });
    assert.equal(found.length, want.length, found.join("\n"));
    for (const [index, expression] of want.entries()) assert.match(found[index] ?? "", expression);
  });

test("sectionOf() gives what stands between two headings", () => {
  const changelog =
    "# Changelog\n\n## [Unreleased]\n\n- c\n\n## [1.2.3] - 2026-01-01\n\n### Added\n\n- b\n\n## [1.2.2]\n\n- a\n";
  assert.deepEqual(
    ["Unreleased", "1.2.3", "1.2.2", "1.2"].map((version) => sectionOf(changelog, version)),
    ["- c", "### Added\n\n- b", "- a", undefined],
  );
});

test("readCheckout() reads version, changelog, tags and changes of a real repository", async () => {
  const folder = mkdtempSync(join(tmpdir(), "checkout-"));
  const git = (...args: readonly string[]): string =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@example.com", ...args], {
      cwd: folder,
      encoding: "utf8",
    });
  try {
    writeFileSync(join(folder, "package.json"), '{"version":"1.2.3"}');
    writeFileSync(join(folder, "CHANGELOG.md"), ready.changelog);
    git("init", "--quiet");
    git("add", ".");
    git("commit", "--quiet", "--message=first");
    git("tag", "v1.2.2");
    assert.deepEqual(await readCheckout(folder), ready);
    writeFileSync(join(folder, "new"), "");
    assert.deepEqual((await readCheckout(folder)).changes, ["?? new"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("setVersion() writes manifests, and the version in documents, but in no other number and no other file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "version-"));
  const texts: { readonly [path: string]: readonly [before: string, after: string] } = {
    "package.json": [
      '{"name":"a","version":"1.2.3","needs":"1.2.3"}',
      `{
  "name": "a",
  "version": "1.3.0-rc.1",
  "needs": "1.2.3"
}
`,
    ],
    "package-lock.json": [
      '{"version":"1.2.3","packages":{"":{"version":"1.2.3"},"b":{"version":"1.2.3"}}}',
      `{
  "version": "1.3.0-rc.1",
  "packages": {
    "": {
      "version": "1.3.0-rc.1"
    },
    "b": {
      "version": "1.2.3"
    }
  }
}
`,
    ],
    "README.md": ["image:v1.2.3 11.2.3 1.2.34 1.2.3.4 1.2.3.", "image:v1.3.0-rc.1 11.2.3 1.2.34 1.2.3.4 1.3.0-rc.1."],
    "packaging/timoni/bundle.cue": ['version: "1.2.3"', 'version: "1.3.0-rc.1"'],
    "docs/decisions/why.md": ["was 1.2.3", "was 1.2.3"],
    "src/code.ts": ['"1.2.3"', '"1.2.3"'],
  };
  try {
    for (const [path, [before]] of Object.entries(texts)) {
      mkdirSync(join(folder, path, ".."), { recursive: true });
      writeFileSync(join(folder, path), before);
    }
    execFileSync("git", ["init", "--quiet"], { cwd: folder });
    execFileSync("git", ["add", "."], { cwd: folder });
    await setVersion(folder, "1.3.0-rc.1");
    const now = Object.keys(texts).map((path) => [path, readFileSync(join(folder, path), "utf8")]);
    assert.deepEqual(
      now,
      Object.entries(texts).map(([path, [, after]]) => [path, after]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const release: Release = { version: "1.2.3", commit: "c0ffee", created: new Date(0), output: "", work: "" };
const images = [{ reference: "registry.example.com/flux-operator:v1.2.3", digest: "sha256:ab", file: "image.tar" }];
const a = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

test("provenanceOf() names files, images, source and lock files by digest, and no time", () => {
  const [files, materials] = [new Map([["install.yaml", Buffer.from("a")]]), new Map([["lock", Buffer.from("a")]])];
  const builder = { id: "https://builder.example.com", source: "git+https://git.example.com/flux-operator" };
  assert.deepEqual(provenanceOf({ release, files, images, materials, builder }), {
    _type: "https://in-toto.io/Statement/v1",
    subject: [
      { name: "install.yaml", digest: { sha256: a } },
      { name: "registry.example.com/flux-operator:v1.2.3", digest: { sha256: "ab" } },
    ],
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: "urn:flux-operator:release:v1",
        externalParameters: { version: "1.2.3" },
        resolvedDependencies: [
          { name: "source", uri: "git+https://git.example.com/flux-operator", digest: { gitCommit: "c0ffee" } },
          { name: "lock", digest: { sha256: a } },
        ],
      },
      runDetails: { builder: { id: "https://builder.example.com" } },
    },
  });
});

test("releaseNotes() has the changes of the version, images by digest, and each file with what it is", () => {
  const notes = releaseNotes(release, "## [1.2.3]\n\n- Changed.\n", { files: ["install.yaml"], images });
  const [head, , commit, , changes] = notes.split("\n");
  assert.deepEqual([head, commit, changes], ["# Flux operator 1.2.3", "From commit c0ffee.", "- Changed."]);
  assert.match(notes, /^- `registry\.example\.com\/flux-operator:v1\.2\.3@sha256:ab`$/m);
  assert.match(notes, /^\| `install\.yaml` \| installs the operator: `kubectl apply/m);
});

test("releaseNotes() refuses a file of which it is not known what it is", () =>
  assert.throws(() => releaseNotes(release, "", { files: ["strange.bin"], images }), /Cannot describe strange\.bin/));

const workflow = readFileSync(join(import.meta.dirname, "../.github/workflows/release.yaml"), "utf8");

test("every action of the workflow is pinned by the digest of a commit, with its version beside it", () => {
  const actions = [...workflow.matchAll(/uses: (.*)$/gm)].map(([, action = ""]) => action);
  assert.ok(actions.length > 0);
  assert.deepEqual(
    actions.filter((action) => !/^[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action)),
    [],
  );
});

test("every npm script that the workflow runs exists", () => {
  const text = readFileSync(join(import.meta.dirname, "../package.json"), "utf8");
  const { scripts } = JSON.parse(text) as { readonly scripts: object };
  const runs = [...workflow.matchAll(/npm run (?:--\S+ )*([\w:]+)/g)].map(([, name = ""]) => name);
  assert.ok(runs.length > 0);
  assert.deepEqual(
    runs.filter((name) => !Object.hasOwn(scripts, name)),
    [],
  );
});

test("no command of the workflow has an expression in it, whose value would be run", () => {
  const { jobs } = fieldsOf(parseKubeYaml(workflow));
  const steps = Object.values(fieldsOf(jobs)).flatMap((job) => listOf(fieldsOf(job)["steps"]).map(fieldsOf));
  const commands = steps.map((step) => textOf(step["run"])).filter((command) => command !== "");
  assert.ok(commands.length > 0);
  assert.deepEqual(
    commands.filter((command) => command.includes("${{")),
    [],
  );
});
