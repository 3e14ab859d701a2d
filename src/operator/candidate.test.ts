import assert from "node:assert/strict";
import { test } from "node:test";
import { candidateOf } from "./candidate.ts";

const process = { host: "flux-operator-x", unique: "one" };

for (const { name, config, want } of [
  {
    name: "has predecessors in its pod that listened on the same port",
    config: { podUid: "uid", healthAddr: ":8081" },
    want: { identity: "flux-operator-x_uid_:8081_one", predecessors: "flux-operator-x_uid_:8081_" },
  },
  {
    name: "has none where the pod is not known, whose name may come again",
    config: { healthAddr: ":8081" },
    want: { identity: "flux-operator-x_one" },
  },
  {
    name: "has none on a port that several processes may have, each its own",
    config: { podUid: "uid", healthAddr: "127.0.0.1:0" },
    want: { identity: "flux-operator-x_one" },
  },
]) {
  test(`candidateOf() ${name}`, () => assert.deepEqual(candidateOf(config, process), want));
}
