import assert from "node:assert/strict";
import { test } from "node:test";

import { findRelease, latestRelease } from "./catalog.ts";

const available = ["2.2.3", "2.3.0", "2.4.0", "2.5.0", "2.5.1", "2.6.0", "2.6.4", "2.7.0", "2.7.5", "2.8.3", "2.8.8"];
const newest = ["2.9.0", "2.9.1", "2.9.4", "2.10.0-rc.1", "3.0.0", "3.1.0-beta.1"];
const everything = [...available, ...newest];

// What Masterminds semver v3.4.0 takes first of `everything`, less majors that the range does not name.
for (const [range, want] of Object.entries({
  "2.x": "2.9.4",
  "2.X": "2.9.4",
  "2.*": "2.9.4",
  "2": "2.9.4",
  "2.2.x": "2.2.3",
  " 2.9.x ": "2.9.4",
  "2.9.0": "2.9.0",
  "v2.9.0": "2.9.0",
  "=v2.9": "2.9.4",
  "= 2.9.1": "2.9.1",
  "~2.7": "2.7.5",
  "~2.7.1": "2.7.5",
  "~> 2.7": "2.7.5",
  "^2.5": "2.9.4",
  ">=2.6, <2.8": "2.7.5",
  ">=2.6 , <2.8": "2.7.5",
  ">=2.6,<2.8": "2.7.5",
  ">= 2.4 < 2.8": "2.7.5",
  "2.2.x || 2.4.x": "2.4.0",
  "2.2.x||2.4.x": "2.4.0",
  "2.3 - 2.6": "2.6.4",
  "2.3.0 - 2.6.0": "2.6.0",
  "v2.3 - v2.6": "2.6.4",
  "2 - 2.4 || 2.8.3": "2.8.3",
  "<2.8": "2.7.5",
  "<=2.6": "2.6.4",
  "<=2.6.1": "2.6.0",
  "=<2.6": "2.6.4",
  "=>2.8": "2.9.4",
  ">2.6 <2.7.1": "2.7.0",
  "!=2.9.4": "2.9.1",
  "!=2.9.x": "2.8.8",
  "2.9.x, !=2.9.4": "2.9.1",
  "*": "2.9.4",
  x: "2.9.4",
  ">=2": "2.9.4",
  ">1": "2.9.4",
  ">=2.9.0-0": "2.10.0-rc.1",
  "2.10.0-rc.1": "2.10.0-rc.1",
  "~2.10.0-rc.0": "2.10.0-rc.1",
  "3.x": "3.0.0",
  "^3": "3.0.0",
  ">=2.8 || 3.x": "3.0.0",
  "<=3": "3.0.0",
  "3.1.0-beta.1": "3.1.0-beta.1",
})) {
  test(`findRelease() takes ${want} for "${range}"`, () =>
    assert.deepEqual(findRelease(range, everything), { kind: "found", version: want }));
}

for (const range of [
  "",
  "latest",
  "not-a-version",
  "2.2.3.4",
  ">=",
  ">=2.6,",
  ">=2.6<2.8",
  ",>=2.6",
  "2.6 ||",
  ">>2.6",
  "2.6-",
  "V2.9",
]) {
  test(`findRelease() refuses "${range}" and says why`, () => {
    const found = findRelease(range, everything);
    assert.equal(found.kind, "invalid-range");
    assert.ok(found.kind === "invalid-range" && found.message.startsWith(`Cannot read version range "${range}": `));
  });
}

test("findRelease() refuses many spaces in an instant", () => {
  const startMs = performance.now();
  assert.equal(findRelease(`${"2    ".repeat(50)}!`, available).kind, "invalid-range");
  assert.ok(performance.now() - startMs < 500);
});

test("findRelease() refuses a range of absurd length", () =>
  assert.deepEqual(findRelease("2".repeat(300), available).kind, "invalid-range"));

for (const { name, range, options, want } of [
  {
    name: "a version that never was",
    range: "2.8.4",
    options: {},
    want: {
      kind: "none",
      why: "no-such-version",
      message: `Cannot find a release for version range "2.8.4": there are releases 2.2.3 to 2.8.8, 2.8.4 is not among them; the nearest are 2.8.3 and 2.8.8`,
    },
  },
  {
    name: "a range between two releases",
    range: ">=2.5.2 <2.6",
    options: {},
    want: {
      kind: "none",
      why: "no-such-version",
      message: `Cannot find a release for version range ">=2.5.2 <2.6": there are releases 2.2.3 to 2.8.8, and none that it takes; the nearest are 2.5.1 and 2.6.0`,
    },
  },
  {
    name: "alternatives that never were, naming the neighbours of each",
    range: "v2.8.4 || 2.4.1 || 1.0",
    options: {},
    want: {
      kind: "none",
      why: "no-such-version",
      message: `Cannot find a release for version range "v2.8.4 || 2.4.1 || 1.0": there are releases 2.2.3 to 2.8.8, and none that it takes; the nearest are 2.4.0, 2.5.0, 2.8.3 and 2.8.8`,
    },
  },
  {
    name: "a version below all that are known",
    range: "2.1.2",
    options: {},
    want: {
      kind: "none",
      why: "no-such-version",
      message: `Cannot find a release for version range "2.1.2": there are releases 2.2.3 to 2.8.8, 2.1.2 is not among them`,
    },
  },
  {
    name: "a version that is embedded and which the artifact has passed over",
    range: "2.8.4",
    options: { known: [...available, "2.8.4"] },
    want: {
      kind: "none",
      why: "not-in-artifact",
      message: `Cannot find a release for version range "2.8.4": the artifact does not have Flux 2.8.4, the nearest that it has are 2.8.3 and 2.8.8; use another artifact or the embedded releases`,
    },
  },
  {
    name: "a version that is embedded but not in the artifact",
    range: "2.9.x",
    options: { known: [...available, "2.9.0", "2.9.4"] },
    want: {
      kind: "none",
      why: "not-in-artifact",
      message: `Cannot find a release for version range "2.9.x": the artifact does not have Flux 2.9.4 yet, its newest is 2.8.8; use a newer artifact or the embedded releases`,
    },
  },
  {
    name: "a version beyond all that are known",
    range: ">=2.10",
    options: {},
    want: {
      kind: "none",
      why: "needs-newer-operator",
      message: `Cannot find a release for version range ">=2.10": there are releases 2.2.3 to 2.8.8, and none that it takes; a later one needs a newer operator or a newer artifact`,
    },
  },
  {
    name: "a version that the operator cannot render",
    range: "2.8.8",
    options: { supports: (version: string) => version !== "2.8.8" },
    want: {
      kind: "none",
      why: "needs-newer-operator",
      message: `Cannot use Flux 2.8.8, which version range "2.8.8" takes: this operator does not know it; upgrade the operator or choose an older version`,
    },
  },
]) {
  test(`findRelease() explains ${name}`, () => assert.deepEqual(findRelease(range, available, options), want));
}

test("findRelease() passes over what the operator cannot render", () =>
  assert.deepEqual(findRelease("2.x", available, { supports: (version) => !version.startsWith("2.8.") }), {
    kind: "found",
    version: "2.7.5",
  }));

test("latestRelease() is the newest stable version of major 2", () => assert.equal(latestRelease(everything), "2.9.4"));
test("latestRelease() of no releases is undefined", () => assert.equal(latestRelease([]), undefined));
test("latestRelease() does not mind the order", () =>
  assert.equal(latestRelease(["2.9.4", "2.10.0", "2.2.3"]), "2.10.0"));
