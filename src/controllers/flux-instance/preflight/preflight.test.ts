import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf, specOf } from "../../../../test/support/small-release.ts";
import { apiError } from "../../../../test/support/table-client.ts";
import { installer } from "../../../api/installer.ts";
import { Ledger } from "../../../apply/ledger.ts";
import { PlanError } from "../../../apply/plan/plan-apply.ts";
import { ConnectionError } from "../../../client/api-error.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { worldOf, type World } from "../world.ts";
import { planChecked, PreflightError, type PreflightDeps } from "./preflight.ts";

const signal = new AbortController().signal;
const revision = "v2.9.4@sha256:0";
const object: KubeObject = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "flux-system" } };
const instance: KubeObject = {
  apiVersion: "fluxcd.controlplane.io/v1",
  kind: "FluxInstance",
  metadata: { name: "flux", namespace: "flux-system" },
};
const target = {
  spec: specOf(),
  latestVersion: "2.9.4",
  release: releaseOf("2.9.4"),
  rendering: { version: "2.9.4", revision, objects: [object], images: [], patches: [] },
};

type Server = {
  readonly gitVersion?: string;
  /** What is thrown at the list of Deployments. */
  readonly lists?: Error;
  readonly dryRun?: Error;
};

function depsOf({ gitVersion = "v1.36.0", lists, dryRun }: Server): PreflightDeps & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    installer,
    ledger: new Ledger(),
    client: {
      apply: async (wanted) => {
        if (dryRun !== undefined) throw dryRun;
        return wanted;
      },
      getOrUndefined: async (gvk, { name }) => {
        asked.push(`${gvk.kind}/${name}`);
        return { apiVersion: "v1", kind: gvk.kind, metadata: { name } };
      },
      patch: () => Promise.reject(new Error("nothing is taken from others")),
      listPage: async (gvk) => {
        asked.push(gvk.kind);
        if (lists !== undefined) throw lists;
        return { items: [], resourceVersion: "1", next: undefined };
      },
      review: async (kind) => {
        asked.push(kind);
        return { resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }] };
      },
      serverVersion: async () => {
        asked.push("version");
        return { gitVersion, major: "1", minor: "" };
      },
      discovery: {
        find: async () => undefined,
        findPreferred: async () => undefined,
        resourcesOf: async () => [],
        invalidate: () => undefined,
      },
    },
  };
}

function worldWith(recorded: Partial<World["recorded"]> = {}): World {
  const world = worldOf(instance, new Map(), "flux-system");
  return { ...world, recorded: { ...world.recorded, ...recorded } };
}

async function run(server: Server, world = worldWith()) {
  const deps = depsOf(server);
  const reports: (readonly string[])[] = [];
  const report = (warnings: readonly string[]) => void reports.push(warnings);
  const planned = await planChecked({ target, world }, report, deps, signal);
  return { actions: planned.map(({ action }) => action), reports, asked: deps.asked.toSorted() };
}

const refused = {
  name: "PreflightError",
  reason: "PreflightFailed",
  retry: "backoff",
  message:
    "Cannot apply Flux 2.9.4: Flux 2.9.4 needs Kubernetes 1.33 or newer, and this is v1.20.0; upgrade Kubernetes, or choose an " +
    "older Flux in spec.distribution.version; nothing was changed",
} as const;

test("planChecked() asks for no more than the plan needs", async () =>
  assert.deepEqual(await run({}), {
    actions: ["create"],
    reports: [[]],
    asked: ["Deployment", "Namespace/flux-system", "SelfSubjectRulesReview", "SelfSubjectRulesReview", "version"],
  }));

test("planChecked() asks nothing for a settle", async () =>
  assert.deepEqual(await run({ gitVersion: "v1.20.0" }, worldWith({ lastAppliedRevision: revision })), {
    actions: ["create"],
    reports: [],
    asked: [],
  }));

test("planChecked() looks at warnings again, and never refuses a settle", async () => {
  const world = worldWith({ lastAppliedRevision: revision, warnings: ["old"] });
  assert.deepEqual((await run({ gitVersion: "v1.20.0" }, world)).reports, [[]]);
});

test("planChecked() says what it may not look at", async () =>
  assert.deepEqual((await run({ lists: apiError(403, "Forbidden", "not for you") })).reports, [
    ["could not check other installations of Flux: not for you"],
  ]));

test("planChecked() fails when it cannot look", async () =>
  assert.rejects(run({ lists: new ConnectionError("list Deployments", "reset") }), ConnectionError));

test("planChecked() refuses, and names the fact and the remedy", async () => {
  await assert.rejects(run({ gitVersion: "v1.20.0" }), PreflightError);
  await assert.rejects(run({ gitVersion: "v1.20.0" }), refused);
});

test("planChecked() puts a refusal before that of the dry-run, which may follow from it", async () =>
  assert.rejects(run({ gitVersion: "v1.20.0", dryRun: apiError(422, "Invalid") }), refused));

test("planChecked() passes the refusal of the dry-run on", async () =>
  assert.rejects(run({ dryRun: apiError(422, "Invalid") }), PlanError));
