import assert from "node:assert/strict";
import { test } from "node:test";
import { isAtLeast, type Minor } from "./version.ts";

const table: readonly { version: string; minor: Minor; want: boolean }[] = [
  { version: "2.7.0", minor: [2, 7], want: true },
  { version: "2.6.9", minor: [2, 7], want: false },
  { version: "2.10.0", minor: [2, 9], want: true },
  { version: "3.0.0", minor: [2, 9], want: true },
  { version: "1.9.0", minor: [2, 0], want: false },
  { version: "2.7.0-rc.1", minor: [2, 7], want: true },
];
for (const { version, minor, want } of table) {
  test(`isAtLeast() says ${want} for ${version} and ${minor.join(".")}`, () => {
    assert.equal(isAtLeast(version, minor), want);
  });
}
