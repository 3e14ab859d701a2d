import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { conditionFaults } from "../../src/api/reasons.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, JsonValue } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import type { AuditEvent } from "../../scripts/control-plane/audit.ts";
import type { ControlPlane } from "../support/control-plane.ts";
import { condition, isReady, namespace, startFluxCluster, type FluxCluster } from "../support/flux-cluster.ts";
import { grantRights, operatorUser } from "../support/installation.ts";

const rbac = "/apis/rbac.authorization.k8s.io/v1";
const instanceName = `FluxInstance/${namespace}/flux`;
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const accountKind = { group: "", version: "v1", kind: "ServiceAccount" };
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/** What the operator may always do: all of it is about itself. */
const ownRules = [
  { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["*"] },
  { apiGroups: [""], resources: ["events"], verbs: ["*"] },
  { apiGroups: ["fluxcd.controlplane.io"], resources: ["*"], verbs: ["*"] },
];

/** When the operator lacked its rights. */
const lacking = { since: "", until: "" };
let cluster: FluxCluster;
let empty: ReadonlyMap<string, string>;

before(async () => {
  cluster = await startFluxCluster({ kubeconfig: connectWithOwn, isMeantToFail: wasLacking });
  await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "other" } });
  await cluster.objectWhen(accountKind, "there", ({ metadata }) => metadata.namespace === "other");
  empty = await cluster.snapshot();
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** With a certificate, as a token ends with the account's namespace. */
async function connectWithOwn(plane: ControlPlane): Promise<string> {
  await grantRights(plane);
  await grantEverywhere(plane, "own", ownRules);
  return await plane.kubeconfigFor({ user: operatorUser });
}

function wasLacking({ requestReceivedTimestamp: at }: AuditEvent): boolean {
  return at >= lacking.since && at <= lacking.until;
}

/** Gives the operator rights in the whole cluster, by a cluster role of that name. */
async function grantEverywhere({ rest }: ControlPlane, name: string, rules: JsonValue): Promise<void> {
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const subjects = [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: operatorUser }];
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name };
  await rest.create(`${rbac}/clusterroles`, { apiVersion, kind: "ClusterRole", metadata: { name }, rules });
  await rest.create(`${rbac}/clusterrolebindings`, {
    apiVersion,
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef,
    subjects,
  });
}

async function install(spec: JsonObject = {}): Promise<void> {
  await cluster.apply({
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace },
    spec: {
      ...spec,
      distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" },
      components: ["source-controller", "kustomize-controller", "helm-controller"],
    },
  });
  await cluster.instanceWhen("ready", isReady);
}

async function uninstall(): Promise<void> {
  await cluster.plane.rest.delete(instancePath);
}

/** Resolves once the instance says that it is held up, and by what; the condition has to be legal, and to stay as it is. */
async function heldUp(says: RegExp): Promise<void> {
  const held = await cluster.instanceWhen(`held up by ${says}`, (object) =>
    says.test(condition(object, "Ready") ?? ""),
  );
  assert.deepEqual(conditionFaults(readStatus(held["status"]).conditions), []);
  assert.deepEqual(held.metadata.finalizers, ["fluxcd.controlplane.io/finalizer"]);
}

/** The API server keeps service IPs and revisions for a moment. */
const passing = /^(IPAddress|ControllerRevision)\//;

async function assertAllGone(): Promise<void> {
  await cluster.gone(instanceName);
  const names = [...(await cluster.snapshot()).keys()];
  assert.deepEqual(
    names.filter((name) => !empty.has(name) && !passing.test(name)),
    [],
  );
}

/** Resolves when the operator has gone through the removal anew, twice. */
async function triedAgain(): Promise<void> {
  const enough = (await looks()) + 2;
  const deadline = AbortSignal.timeout(90_000);
  while ((await looks()) < enough) await systemClock.sleep(200, deadline);
}

async function looks(): Promise<number> {
  return (await cluster.plane.auditEvents()).filter(isLookAtController).length;
}

function isLookAtController({ verb, objectRef, user: by }: AuditEvent): boolean {
  return (
    verb === "get" &&
    objectRef?.name === "helm-controller" &&
    objectRef.resource === "deployments" &&
    by?.username === operatorUser
  );
}

async function events(): Promise<readonly string[]> {
  const items = await cluster.plane.rest.list(`/api/v1/namespaces/${namespace}/events`);
  return items.map((event) => `${textOf(event["type"])}/${textOf(event["reason"])}: ${textOf(event["message"])}`);
}

/** Events are written behind the status. */
async function eventSays(says: RegExp): Promise<void> {
  const deadline = AbortSignal.timeout(20_000);
  while (!(await events()).some((event) => says.test(event))) await systemClock.sleep(100, deadline);
}

describe("an uninstall that is held up says by what, and goes on when that is over", { concurrency: 1 }, () => {
  beforeEach(() => install());
  afterEach(assertAllGone);

  test("by a custom resource with a finalizer of somebody else's", async () => {
    const path = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/default/helmreleases/web";
    await cluster.apply({
      apiVersion: "helm.toolkit.fluxcd.io/v2",
      kind: "HelmRelease",
      metadata: { name: "web", namespace: "default", finalizers: ["finalizers.fluxcd.io", "example.com/audit"] },
      spec: { interval: "5m0s", chartRef: { kind: "OCIRepository", name: "web" } },
    });
    await uninstall();
    await heldUp(
      /^Unknown\/Uninstalling: Waiting until all of Flux is deleted: Waiting for these objects to be deleted: CustomResourceDefinition\/helmreleases\.helm\.toolkit\.fluxcd\.io \(held by HelmRelease\/default\/web with finalizer example\.com\/audit\)$/,
    );
    const told = await cluster.instance();
    await triedAgain();
    assert.deepEqual(await cluster.instance(), told, "what was told once is not written again");
    const release = await cluster.plane.rest.get(path);
    assert.deepEqual(release.metadata.finalizers, ["example.com/audit"]);
    await eventSays(/^Normal\/Uninstalling: Removing Flux 2\.9\.4; workloads stay$/);
    await cluster.plane.rest.patch(path, { metadata: { finalizers: null } });
    await cluster.gone(instanceName);
    await eventSays(
      /^Normal\/Uninstalled: Flux 2\.9\.4 is removed; workloads stay\. Left in the cluster: Namespace\/flux-system$/,
    );
  });

  test("by controllers of another Flux, which would take workloads along", async () => {
    const labels = { app: "other" };
    await cluster.apply({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "helm", namespace: "other" },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { containers: [{ name: "manager", image: "registry.example.com/fluxcd/helm-controller:v1.5.0" }] },
        },
      },
    });
    await uninstall();
    await heldUp(
      /^False\/UninstallFailed: Removing Flux's finalizer from custom resources: Cannot delete Flux's CRDs while Deployment\/other\/helm belongs to another Flux installation and is still running; /,
    );
    assert.equal(
      (await cluster.plane.rest.request("GET", `${definitions}/helmreleases.helm.toolkit.fluxcd.io`)).status,
      200,
    );
    await eventSays(/^Warning\/UninstallFailed: .*Deployment\/other\/helm/);
    await cluster.plane.rest.patch("/apis/apps/v1/namespaces/other/deployments/helm", { spec: { replicas: 0 } });
    await cluster.gone(instanceName);
    await cluster.plane.rest.delete("/apis/apps/v1/namespaces/other/deployments/helm");
    await cluster.gone("Deployment/other/helm");
  });

  test("not by a controller of another project that has the name of one of Flux's", async () => {
    const labels = { app: "k3s" };
    const containers = [{ name: "manager", image: "rancher/helm-controller:v0.16.6", args: ["--namespace=other"] }];
    await cluster.apply({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "helm-controller", namespace: "other" },
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
    });
    await uninstall();
    await cluster.gone(instanceName);
    await cluster.plane.rest.delete("/apis/apps/v1/namespaces/other/deployments/helm-controller");
    await cluster.gone("Deployment/other/helm-controller");
  });

  test("by a status that was lost, as in a restore; Orphan and a new instance take everything back", async () => {
    await cluster.operator.stop();
    await cluster.plane.rest.patch(`${instancePath}/status`, { status: null });
    const before = await cluster.snapshot();
    await uninstall();
    await cluster.restartOperator();
    await heldUp(
      /^False\/UninstallFailed: .*not in the inventory of this instance, but with its labels: ClusterRole\/.* and \d+ more; to have them removed, set spec\.deletionPolicy to Orphan, /,
    );
    await cluster.patchInstance({ spec: { deletionPolicy: "Orphan" } });
    await cluster.gone(instanceName);
    const after = await cluster.snapshot();
    const lost = [...before.keys()].filter((name) => !after.has(name));
    assert.deepEqual(lost.toSorted(), [`ConfigMap/${namespace}/flux-operator-last-good`, instanceName]);
    await install({ deletionPolicy: "Uninstall" });
    await uninstall();
    await cluster.gone(instanceName);
  });

  test("by a webhook that nobody answers", async () => {
    const path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    const rule = {
      apiGroups: ["*"],
      apiVersions: ["*"],
      resources: ["services", "customresourcedefinitions"],
      operations: ["DELETE", "UPDATE"],
    };
    await cluster.plane.rest.create(path, {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingWebhookConfiguration",
      metadata: { name: "guard" },
      webhooks: [
        {
          name: "guard.example.com",
          clientConfig: { url: "https://127.0.0.1:1/guard" },
          rules: [rule],
          failurePolicy: "Fail",
          sideEffects: "None",
          admissionReviewVersions: ["v1"],
          timeoutSeconds: 1,
        },
      ],
    });
    await uninstall();
    await heldUp(/^False\/UninstallFailed: Deleting Flux's CRDs: .*guard\.example\.com/);
    await cluster.plane.rest.delete(`${path}/guard`);
  });

  test("by permissions that are taken away half-way, and it names them", async () => {
    const deployment = `/apis/apps/v1/namespaces/${namespace}/deployments/helm-controller`;
    const binding = `${rbac}/clusterrolebindings/flux-operator-manager`;
    await cluster.plane.rest.patch(deployment, { metadata: { finalizers: ["example.com/audit"] } });
    await uninstall();
    await heldUp(
      /^Unknown\/Uninstalling: Stopping Flux's controllers: Waiting for these objects to be deleted: Deployment\/flux-system\/helm-controller \(held by finalizer .*example\.com\/audit/,
    );
    const granted = await cluster.plane.rest.get(binding);
    lacking.since = new Date().toISOString();
    await cluster.plane.rest.delete(binding);
    await heldUp(
      /^False\/UninstallFailed: .*User "system:serviceaccount:flux-system:flux-operator" cannot (list|get|patch|delete) resource "\w+" in API group "[\w.]*"/,
    );
    await cluster.plane.rest.patch(deployment, { metadata: { finalizers: null } });
    const { metadata: _, ...back } = granted;
    await cluster.plane.rest.create(`${rbac}/clusterrolebindings`, {
      ...back,
      metadata: { name: granted.metadata.name },
    });
    await cluster.gone(instanceName);
    lacking.until = new Date().toISOString();
  });

  test("not by an API service that is down", async () => {
    const path = "/apis/apiregistration.k8s.io/v1/apiservices";
    await cluster.plane.rest.create(path, {
      apiVersion: "apiregistration.k8s.io/v1",
      kind: "APIService",
      metadata: { name: "v1.down.example.com" },
      spec: {
        group: "down.example.com",
        version: "v1",
        groupPriorityMinimum: 100,
        versionPriority: 100,
        service: { name: "nobody", namespace: "default" },
        insecureSkipTLSVerify: true,
      },
    });
    await cluster.restartOperator();
    await uninstall();
    await cluster.gone(instanceName);
    await cluster.plane.rest.delete(`${path}/v1.down.example.com`);
  });
});

describe("an uninstall in a namespace that is being deleted", { concurrency: 1 }, () => {
  test("says what holds the namespace up, and ends although nothing can be created there any more", async () => {
    await install();
    // Its Role ends with the namespace, as its pod would.
    const { rules = [] } = await cluster.plane.rest.get(`${rbac}/namespaces/${namespace}/roles/flux-operator-manager`);
    await grantEverywhere(cluster.plane, "within", rules);
    const deployment = `/apis/apps/v1/namespaces/${namespace}/deployments/helm-controller`;
    await cluster.plane.rest.patch(deployment, { metadata: { finalizers: ["example.com/audit"] } });
    await cluster.plane.rest.delete(`/api/v1/namespaces/${namespace}`);
    await heldUp(/Deployment\/flux-system\/helm-controller .*Namespace\/flux-system is being deleted too/);
    await cluster.restartOperator("SIGKILL");
    await cluster.plane.rest.patch(deployment, { metadata: { finalizers: null } });
    await cluster.gone(`Namespace/${namespace}`);
    for (const kind of ["clusterroles", "clusterrolebindings"])
      await cluster.plane.rest.delete(`${rbac}/${kind}/within`);
    await assertAllGone();
    assert.deepEqual(fieldsOf((await cluster.plane.rest.request("GET", instancePath)).body)["code"], 404);
  });
});
