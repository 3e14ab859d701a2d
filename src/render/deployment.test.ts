import assert from "node:assert/strict";
import { test } from "node:test";
import { smallDeployment } from "../../test/support/small-release.ts";
import type { KubeObject } from "../kube/object.ts";
import { appendArgs, managerOf, replaceArg } from "./deployment.ts";
import { setField } from "./edit.ts";
import { RenderError } from "./errors.ts";

const args = (object: KubeObject) => managerOf(object)?.["args"];
const given = ["--watch-all-namespaces", "--log-level=info", "--log-level-x=1"];
const gates = ["--feature-gates=A", "--feature-gates=B"];
const small = smallDeployment("helm-controller", given);

for (const { name, flag, given: own = given, want } of [
  {
    name: "gives a flag without value one",
    flag: "--watch-all-namespaces",
    want: ["--watch-all-namespaces=new", "--log-level=info", "--log-level-x=1"],
  },
  {
    name: "replaces a value in its place, and no flag that only begins alike",
    flag: "--log-level",
    want: ["--watch-all-namespaces", "--log-level=new", "--log-level-x=1"],
  },
  {
    name: "takes a value that stands by itself away with it",
    flag: "--events-addr",
    given: ["--events-addr", "http://old./", "--log-level=info"],
    want: ["--events-addr=new", "--log-level=info"],
  },
]) {
  test(`replaceArg() ${name}`, () => {
    const object = smallDeployment("helm-controller", own);
    assert.deepEqual(args(replaceArg(object, "2.9.4", flag, "new")), want);
  });
}

test("appendArgs() adds at the end and keeps repeated flags", () => {
  const twice = appendArgs(appendArgs(small, "2.9.4", ["--feature-gates=A"]), "2.9.4", ["--feature-gates=B"]);
  assert.deepEqual(args(twice), [...given, ...gates]);
});

const nameless = setField(small, ["spec", "template", "spec", "containers"], [{ name: "controller" }]);
for (const { name, change, missing } of [
  {
    name: "replaceArg() refuses a release without the flag",
    change: () => replaceArg(small, "3.0.0", "--events-addr", ""),
    missing: "flag --events-addr",
  },
  {
    name: "appendArgs() refuses a release without the container",
    change: () => appendArgs(nameless, "3.0.0", ["--x"]),
    missing: "container manager",
  },
]) {
  test(name, () => {
    assert.throws(change, (error) => {
      assert.ok(error instanceof RenderError);
      assert.equal(error.reason, "NeedsNewerOperator");
      assert.equal(
        error.message,
        `Cannot build Flux 3.0.0: Deployment/helm-controller has no ${missing}, so this release has a shape that this ` +
          "operator does not know; upgrade the operator or choose an older version in spec.distribution.version",
      );
      return true;
    });
  });
}
