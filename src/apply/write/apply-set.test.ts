import assert from "node:assert/strict";
import { test } from "node:test";
import { installer } from "../../../test/support/installer.ts";
import { apiError } from "../../../test/support/table-client.ts";
import { TestClock } from "../../../test/support/test-clock.ts";
import { ConnectionError } from "../../client/api-error.ts";
import { nameObject, objectIdOf } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import { ApplyError } from "../apply-error.ts";
import { Ledger } from "../ledger.ts";
import type { PlannedObject } from "../planned-object.ts";
import { applyStages, type ApplyDeps, type Stage } from "./apply-set.ts";

const signal = new AbortController().signal;
const never = new AbortController().signal;
const wait = { timeoutMs: 1_000, labelSelector: "own=1", interrupt: never };

function object(kind: string, name: string, apiVersion = "v1"): KubeObject {
  return { apiVersion, kind, metadata: { name } };
}

function stage(name: string, objects: readonly PlannedObject[], waitFor: readonly KubeObject[] = []): Stage {
  return { name, objects, waitFor };
}

type Applied = ApplyDeps & { readonly applied: string[]; readonly clock: TestClock };

/** Accepts every apply but those in `refuse`; lists what was applied, ready or with `status`. */
function depsOf({
  refuse = {},
  status = {},
}: {
  refuse?: Readonly<Record<string, Error>>;
  status?: Readonly<Record<string, KubeObject["status"]>>;
} = {}): Applied {
  const applied: string[] = [];
  const live: KubeObject[] = [];
  return {
    applied,
    installer,
    ledger: new Ledger(),
    clock: new TestClock(),
    client: {
      apply: async (wanted, options) => {
        assert.deepEqual(options, { fieldManager: "flux-operator" });
        const name = nameObject(wanted);
        const error = refuse[name];
        if (error !== undefined) throw error;
        applied.push(name);
        const answer = { ...wanted, metadata: { ...wanted.metadata, uid: "1" }, status: status[name] ?? {} };
        live.push(answer);
        return answer;
      },
      getOrUndefined: () => Promise.reject(new Error("nothing is to be read")),
      patch: () => Promise.reject(new Error("nothing is to be patched")),
      delete: () => Promise.reject(new Error("nothing is to be deleted")),
      list: async ({ kind }) => ({ items: live.filter((item) => item.kind === kind), resourceVersion: "1" }),
      watch: async function* (_gvk, _options, stop) {
        yield { kind: "bookmark", resourceVersion: "1" };
        const { promise, resolve } = Promise.withResolvers<void>();
        stop.addEventListener("abort", () => resolve(), { once: true });
        if (!stop.aborted) await promise;
      },
    },
  };
}

const [namespace, role, account, config] = [
  object("Namespace", "a"),
  object("ClusterRole", "b", "rbac.authorization.k8s.io/v1"),
  object("ServiceAccount", "c"),
  object("ConfigMap", "d"),
];

test("applyStages() writes what is to change, and says what became of each object", async () => {
  const deps = depsOf();
  const result = await applyStages(
    [
      stage("one", [
        { object: config, action: "unchanged" },
        { object: account, action: "configure", live: account },
        { object: namespace, action: "create" },
      ]),
      stage("two", [{ object: role, action: "blind" }]),
    ],
    wait,
    deps,
    signal,
  );
  assert.deepEqual(
    { result, applied: deps.applied },
    {
      result: {
        changes: [
          { id: objectIdOf(config), action: "unchanged" },
          { id: objectIdOf(namespace), action: "created" },
          { id: objectIdOf(account), action: "configured" },
          { id: objectIdOf(role), action: "created" },
        ],
        wait: { kind: "ready" },
      },
      applied: ["Namespace/a", "ServiceAccount/c", "ClusterRole/b"],
    },
  );
});

test("applyStages() tells the ledger what the API server answered", async () => {
  const deps = depsOf();
  await applyStages([stage("one", [{ object: config, action: "create" }])], wait, deps, signal);
  assert.equal(deps.ledger.isUnchanged(config, { ...config.metadata, uid: "1" }), true);
});

test("applyStages() writes namespaces, then roles and accounts, then all else, each after the answers to those before", async () => {
  const { client, ...deps } = depsOf();
  const seen: string[] = [];
  const apply: ApplyDeps["client"]["apply"] = async (wanted) => {
    seen.push(`${wanted.kind} asked`);
    await Promise.resolve();
    seen.push(`${wanted.kind} answered`);
    return wanted;
  };
  const objects = [config, account, role, namespace].map((wanted): PlannedObject => ({
    object: wanted,
    action: "create",
  }));
  await applyStages([stage("one", objects)], wait, { ...deps, client: { ...client, apply } }, signal);
  assert.deepEqual(seen, [
    "Namespace asked",
    "Namespace answered",
    "ClusterRole asked",
    "ServiceAccount asked",
    "ClusterRole answered",
    "ServiceAccount answered",
    "ConfigMap asked",
    "ConfigMap answered",
  ]);
});

const thing = object("Thing", "x", "example.com/v1");
const stalled = { conditions: [{ type: "Stalled", status: "True", reason: "Bad", message: "it is broken" }] };
const next = stage("next", [{ object: config, action: "create" }]);

test("applyStages() does not begin the next stage when one fails", async () => {
  const deps = depsOf({ status: { "Thing/x": stalled } });
  const result = await applyStages(
    [stage("one", [{ object: thing, action: "create" }], [thing]), next],
    wait,
    deps,
    signal,
  );
  assert.deepEqual(
    { result, applied: deps.applied },
    {
      result: {
        changes: [{ id: objectIdOf(thing), action: "created" }],
        wait: { kind: "failed", unready: [{ object: "Thing/x", message: "it is broken" }] },
      },
      applied: ["Thing/x"],
    },
  );
});

test("applyStages() writes nothing once something newer is wanted", async () => {
  const deps = depsOf();
  const interrupt = AbortSignal.abort(new Error("newer"));
  const result = await applyStages([next], { ...wait, interrupt }, deps, signal);
  assert.deepEqual(
    { result, applied: deps.applied },
    { result: { changes: [], wait: { kind: "interrupted" } }, applied: [] },
  );
});

for (const { name, error, message } of [
  {
    name: "in the API server's words",
    error: apiError(422, "Invalid", "data: Invalid value"),
    message: "Cannot apply ConfigMap/d: data: Invalid value",
  },
  {
    name: "by its status where the API server gives no words",
    error: apiError(500, "", ""),
    message: "Cannot apply ConfigMap/d: Cannot ask: API server answered 500",
  },
]) {
  test(`applyStages() names what the API server refuses, ${name}, and goes no further`, async () => {
    const deps = depsOf({ refuse: { "ConfigMap/d": error } });
    const last = stage("last", [{ object: thing, action: "create" }]);
    await assert.rejects(
      applyStages([stage("one", [{ object: role, action: "create" }]), next, last], wait, deps, signal),
      (thrown) => thrown instanceof ApplyError && thrown.message === message && thrown.cause === error,
    );
    assert.deepEqual(deps.applied, ["ClusterRole/b"]);
  });
}

test("applyStages() throws a lost connection as it is", async () => {
  const lost = new ConnectionError("apply", "reset");
  await assert.rejects(applyStages([next], wait, depsOf({ refuse: { "ConfigMap/d": lost } }), signal), lost);
});
