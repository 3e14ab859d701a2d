import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf, specOf } from "../../../../test/support/small-release.ts";
import type { Target } from "../../../render/target.ts";
import { ReasonedError } from "../../../std/errors.ts";
import type { Decision } from "../decision.ts";
import type { FluxInstanceStatus } from "../status.ts";
import { newsBetween, withSeen } from "./news.ts";

const [one, two] = ["1", "2"].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string];
const name = "mirror.example/source-controller:v1";
const place = "oci://mirror.example/manifests:latest";
const problem = new ReasonedError({ reason: "ArtifactFailed", retry: "backoff", message: "it is away" });

function targetWith(digest: string | undefined, parts: Partial<Target> = {}): Target {
  const digests = digest === undefined ? {} : { digests: { [name]: digest } };
  return {
    spec: specOf({ distribution: { artifact: place } }),
    release: releaseOf("2.9.4"),
    rendering: { version: "2.9.4", revision: "v2.9.4@sha256:0", objects: [], images: [], patches: [], ...digests },
    latestVersion: "2.9.4",
    live: { resolved: {} },
    ...parts,
  };
}

const seen: FluxInstanceStatus = {
  conditions: [],
  latestVersion: "2.9.4",
  lastSeenArtifact: `${place}@${one}`,
  lastSeenImages: [{ name, digest: one }],
};
const images = [{ name, digest: two }];
const hold = { gate: { kind: "paused" }, waiting: targetWith(two, { artifactRevision: two }), from: "2.9.4" } as const;
const newest = { conditions: [], latestVersion: "2.9.4", lastSeenArtifact: `${place}@${two}`, lastSeenImages: images };

for (const { sentence, decision, want } of [
  {
    sentence: "takes what is applied",
    decision: { kind: "upgrade", ...targetWith(two, { artifactRevision: two, latestVersion: "2.9.5" }) },
    want: { ...newest, latestVersion: "2.9.5" },
  },
  {
    sentence: "names the digest once where the spec names it, too",
    decision: {
      kind: "settle",
      ...targetWith(two, { spec: specOf({ distribution: { artifact: `${place}@${two}` } }), artifactRevision: two }),
    },
    want: newest,
  },
  { sentence: "takes what waits", decision: { kind: "settle", ...targetWith(one), hold }, want: newest },
  {
    sentence: "takes what waits while nothing else can be done",
    decision: { kind: "wait", hold, obstacle: { kind: "unknown-release" } },
    want: newest,
  },
  {
    sentence: "keeps what was seen while a newer artifact cannot be used",
    decision: { kind: "settle", ...targetWith(two), problem },
    want: seen,
  },
  {
    sentence: "keeps what was seen while it is not sure what waits",
    decision: { kind: "settle", ...targetWith(one), hold: { ...hold, problem } },
    want: seen,
  },
  {
    sentence: "keeps the images while their registry is away",
    decision: {
      kind: "settle",
      ...targetWith(two, { artifactRevision: one, live: { resolved: {}, trouble: "it is away" } }),
    },
    want: seen,
  },
  {
    sentence: "forgets what is not asked for any more",
    decision: { kind: "settle", ...targetWith(undefined) },
    want: { conditions: [], latestVersion: "2.9.4" },
  },
  { sentence: "learns nothing of a removal", decision: { kind: "uninstall", policy: "Orphan" }, want: seen },
] satisfies readonly { sentence: string; decision: Decision; want: FluxInstanceStatus }[]) {
  test(`withSeen() ${sentence}`, () => assert.deepEqual(withSeen(seen, decision), want));
}

for (const { sentence, before = seen, after, want } of [
  { sentence: "is silent where all is as before", after: seen, want: [] },
  { sentence: "is silent at the first look", before: { conditions: [] }, after: seen, want: [] },
  {
    sentence: "tells a newer version",
    after: { ...seen, latestVersion: "2.10.0" },
    want: ["NewVersion: Flux 2.10.0 is available"],
  },
  { sentence: "is silent of a version that is older", after: { ...seen, latestVersion: "2.9.3" }, want: [] },
  {
    sentence: "tells other digests in one note",
    after: newest,
    want: [`NewDigest: New digest: ${place}@${two}, ${name}@${two}`],
  },
  {
    sentence: "is silent of another artifact and of the tags of another version",
    after: { ...seen, lastSeenArtifact: `oci://other.example/a:v1@${two}`, lastSeenImages: [{ name: "x:v2" }] },
    want: [],
  },
  {
    sentence: "names three of many",
    before: { conditions: [], lastSeenImages: ["a", "b", "c", "d"].map((image) => ({ name: image, digest: one })) },
    after: { conditions: [], lastSeenImages: ["a", "b", "c", "d"].map((image) => ({ name: image, digest: two })) },
    want: [`NewDigest: New digest: a@${two}, b@${two}, c@${two} and 1 more`],
  },
]) {
  test(`newsBetween() ${sentence}`, () => {
    const notes = newsBetween(before, after);
    assert.deepEqual(
      notes.map(({ reason, message }) => `${reason}: ${message}`),
      want,
    );
  });
}
