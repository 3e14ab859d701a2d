import assert from "node:assert/strict";
import { test } from "node:test";

import { stepListWatch } from "./list-watch.ts";
import type { ListWatchEvent, ListWatchState } from "./list-watch.ts";

const empty: ListWatchState = { kind: "empty" };
const listed: ListWatchState = { kind: "listed", version: "5" };
const watching: ListWatchState = { kind: "watching", version: "7" };

for (const { name, from, event, to } of [
  { name: "a list is a place to watch from", from: empty, event: { kind: "listed", version: "5" }, to: listed },
  { name: "a failed list leaves nothing", from: empty, event: { kind: "failed" }, to: empty },
  {
    name: "an opened watch goes on from the list",
    from: listed,
    event: { kind: "opened" },
    to: { kind: "watching", version: "5" },
  },
  {
    name: "events and bookmarks move a watch on",
    from: watching,
    event: { kind: "advanced", version: "9" },
    to: { kind: "watching", version: "9" },
  },
  {
    name: "a watch that ended is opened again where it was",
    from: watching,
    event: { kind: "ended" },
    to: { kind: "listed", version: "7" },
  },
  {
    name: "a watch that failed needs a new list: the server may have come back with an older state",
    from: watching,
    event: { kind: "failed" },
    to: empty,
  },
  { name: "a version that is gone needs a new list", from: watching, event: { kind: "gone" }, to: empty },
  {
    name: "a version that is gone before the watch is open needs a new list",
    from: listed,
    event: { kind: "gone" },
    to: empty,
  },
  {
    name: "an event without a watch is not trusted",
    from: listed,
    event: { kind: "advanced", version: "9" },
    to: empty,
  },
] satisfies { name: string; from: ListWatchState; event: ListWatchEvent; to: ListWatchState }[]) {
  test(`stepListWatch() ${name}`, () => assert.deepEqual(stepListWatch(from, event), to));
}
