import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { defaultInstance } from "../../scripts/manifests/instance.ts";
import { canonicalInstance } from "../../src/api/canonical.ts";
import { conditionFaults } from "../../src/api/reasons.ts";
import { parseFluxInstance } from "../../src/api/flux-instance.ts";
import { createApiClient, type OwnedApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import { findMissing } from "../../src/controllers/flux-instance/preflight/rights.ts";
import type { Subject } from "../../src/controllers/flux-instance/preflight/subject.ts";
import { describeAccesses } from "../../src/controllers/flux-instance/rights/access.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import { worldOf } from "../../src/controllers/flux-instance/world.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, JsonValue } from "../../src/kube/object.ts";
import { targetOf } from "../../src/render/target.ts";
import { systemClock } from "../../src/std/clock.ts";
import type { ControlPlane } from "../support/control-plane.ts";
import { condition, isReady, namespace, startFluxCluster, type FluxCluster } from "../support/flux-cluster.ts";
import { applyFile, connectAsOperator } from "../support/installation.ts";

const rbac = "/apis/rbac.authorization.k8s.io/v1";
const roles = {
  ClusterRole: `${rbac}/clusterroles/flux-operator-manager`,
  Role: `${rbac}/namespaces/${namespace}/roles/flux-operator-manager`,
} as const;
type RoleKind = keyof typeof roles;

let cluster: FluxCluster;
let asOperator: OwnedApiClient;

before(async () => {
  const args = ["--min-retry-delay=100ms", "--max-retry-delay=1s"];
  // Rights are taken away in nearly every test.
  cluster = await startFluxCluster({ kubeconfig: install, args, isMeantToFail: () => true });
  const kubeconfig = await connectAsOperator(cluster.plane);
  const connection = await loadConnection({ kubeconfig, env: {}, clock: systemClock });
  asOperator = createApiClient({ connection, userAgent: "test", clock: systemClock });
});
after(async () => {
  await asOperator.close();
  await cluster[Symbol.asyncDispose]();
});

async function install(plane: ControlPlane): Promise<string> {
  const { complaints } = await applyFile(plane, "packaging/yaml/install.yaml");
  assert.equal(complaints, "");
  return await connectAsOperator(plane);
}

/** The plan of the default instance with all that has a rule of its own, so that every rule is of use. */
function subjectOfAll(): Subject {
  const instance = { ...defaultInstance, spec: { ...fieldsOf(defaultInstance["spec"]), ...everything } };
  const canonical = canonicalInstance(parseFluxInstance(instance));
  const catalogue = { versions: embeddedVersions, load: loadRelease };
  return {
    target: targetOf(canonical, catalogue),
    world: worldOf(instance, new Map(), namespace),
    planned: [],
    isForbidden: false,
  };
}

const everything: JsonObject = {
  components: [
    "source-controller",
    "kustomize-controller",
    "helm-controller",
    "notification-controller",
    "image-reflector-controller",
    "image-automation-controller",
    "source-watcher",
  ],
  storage: { class: "standard", size: "1Gi" },
  sync: { kind: "OCIRepository", url: "oci://registry.example.com/fleet", ref: "latest", path: "./" },
};

/** What the preflight of the operator says now. */
async function missing(): Promise<readonly string[]> {
  const found = await findMissing(subjectOfAll(), asOperator, AbortSignal.timeout(60_000));
  return describeAccesses([...found.now, ...found.toDelete, ...found.toGrant], namespace);
}

/** The API server's authorizer learns of a changed role a moment later. */
async function missingWhen(isSo: (texts: readonly string[]) => boolean): Promise<readonly string[]> {
  const deadline = AbortSignal.timeout(30_000);
  for (;;) {
    const texts = await missing();
    if (isSo(texts)) return texts;
    await systemClock.sleep(20, deadline);
  }
}

async function rulesOf(kind: RoleKind): Promise<readonly JsonValue[]> {
  return listOf((await cluster.plane.rest.get(roles[kind]))["rules"]);
}

async function setRules(kind: RoleKind, rules: readonly JsonValue[]): Promise<void> {
  await cluster.plane.rest.patch(roles[kind], { rules: [...rules] });
}

function resourcesOf(rule: JsonValue): readonly string[] {
  const [group = ""] = listOf(fieldsOf(rule)["apiGroups"]).map(textOf);
  return listOf(fieldsOf(rule)["resources"]).map((resource) =>
    group === "" ? textOf(resource) : `${textOf(resource)}.${group}`,
  );
}

/** What no preflight asks for, by the resources of the rule: each shows by itself before the first write. */
const excused: ReadonlySet<string> = new Set([
  "fluxreports.fluxcd.controlplane.io resourcesetinputproviders.fluxcd.controlplane.io resourcesets.fluxcd.controlplane.io list",
  "deployments.apps list",
  "storageclasses.storage.k8s.io get",
]);

function isExcused(rule: JsonValue): boolean {
  const { verbs, resourceNames } = fieldsOf(rule);
  const isTrial = listOf(resourceNames).some(
    (name) => textOf(name).endsWith("flux-operator") && name !== "flux-operator",
  );
  return isTrial || excused.has([...resourcesOf(rule), ...listOf(verbs).map(textOf)].join(" "));
}

describe("the preflight of an operator that lacks one rule", { concurrency: 1 }, () => {
  test("finds nothing as long as it lacks none", async () => assert.deepEqual(await missing(), []));

  for (const kind of ["ClusterRole", "Role"] as const) {
    test(`names every rule of its ${kind}, whichever is taken away`, async (t) => {
      const rules = await rulesOf(kind);
      const wrong: unknown[] = [];
      for (const [at, rule] of rules.entries()) {
        if (isExcused(rule)) continue;
        await setRules(kind, rules.toSpliced(at, 1));
        const texts = await missingWhen((those) => those.length > 0);
        const names = new Set(resourcesOf(rule));
        const others = texts.filter((text) => !text.split(/[ ,]+/).some((word) => names.has(word)));
        if (others.length > 0) wrong.push({ rule, others });
        t.diagnostic(texts.join("; "));
        await setRules(kind, rules);
        await missingWhen((those) => those.length === 0);
      }
      assert.deepEqual(wrong, []);
      assert.ok(rules.length > 8, `${rules.length} rules`);
    });
  }
});

describe("an operator that lacks rights", { concurrency: 1 }, () => {
  test("refuses to install, names each of them, writes nothing, and goes on when it has them", async () => {
    const rules = await rulesOf("Role");
    await setRules(
      "Role",
      rules.filter((rule) => !resourcesOf(rule).some((name) => ["pods", "replicasets.apps"].includes(name))),
    );
    await missingWhen((those) => those.length === 2);
    const before = await cluster.snapshot();
    await cluster.apply(defaultInstance);
    const refused = await cluster.instanceWhen(
      "refused",
      (one) => condition(one, "Ready")?.startsWith("False/PreflightFailed") === true,
    );
    assert.equal(
      condition(refused, "Ready"),
      "False/PreflightFailed: Cannot apply Flux 2.9.4: the operator may not list, watch replicasets.apps in flux-system; watch pods in flux-system; " +
        "give it the rules that its manifests and its chart have (docs/security.md); nothing was changed",
    );
    assert.deepEqual(conditionFaults(readStatus(refused["status"]).conditions), []);
    const after = [...(await cluster.snapshot()).keys()].filter((name) => !before.has(name));
    assert.deepEqual(after, [`FluxInstance/${namespace}/flux`]);
    await setRules("Role", rules);
    await cluster.instanceWhen("ready", isReady);
  });

  test("leaves what runs alone, and Ready, when an upgrade needs more than it may do", async () => {
    const rules = await rulesOf("ClusterRole");
    await setRules(
      "ClusterRole",
      rules.filter((rule) => !resourcesOf(rule).some((name) => name.endsWith("helm.toolkit.fluxcd.io"))),
    );
    await cluster.patchInstance({ spec: { distribution: { version: "2.8.x" } } });
    const refused = await cluster.instanceWhen(
      "refused",
      (one) => condition(one, "Ready")?.startsWith("False/PreflightFailed") === true,
    );
    assert.match(
      condition(refused, "Ready") ?? "",
      /the operator may not get, list, patch helmreleases\.helm\.toolkit\.fluxcd\.io;/,
    );
    assert.equal(readStatus(refused["status"]).lastAppliedVersion, "2.9.4");
    await setRules("ClusterRole", rules);
    await cluster.instanceWhen("ready", isReady);
  });

  test("warns that it can neither prune nor uninstall", async () => {
    const rules = await rulesOf("Role");
    const withoutDelete = rules.map((rule) => {
      const { verbs, ...rest } = fieldsOf(rule);
      return { ...rest, verbs: listOf(verbs).filter((verb) => verb !== "delete") };
    });
    await setRules("Role", withoutDelete);
    await cluster.patchInstance({ spec: { distribution: { version: "2.9.x" } } });
    const warned = await cluster.instanceWhen(
      "warned",
      (one) => condition(one, "Warning") !== undefined && isReady(one),
    );
    assert.match(
      condition(warned, "Warning") ?? "",
      /the operator may not delete .*deployments\.apps, .* in flux-system, so that it can neither prune nor uninstall/,
    );
    await setRules("Role", rules);
    const still = await cluster.reconcile();
    assert.equal(condition(still, "Warning"), undefined);
  });
});
