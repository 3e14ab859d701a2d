import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { createRest } from "../../scripts/control-plane/rest.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { startControlPlane } from "../support/control-plane.ts";
import type { ControlPlane } from "../support/control-plane.ts";

const execute = promisify(execFile);
const digest = `sha256:${"a1".repeat(32)}`;
const image = `ghcr.io/fluxcd/source-controller:v1.2.3@${digest}`;
const namespace = "plane-test";
const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
const pods = `/api/v1/namespaces/${namespace}/pods`;
const claims = `/api/v1/namespaces/${namespace}/persistentvolumeclaims`;

let plane: ControlPlane;
before(async () => {
  plane = await startControlPlane({ variant: "full" });
  await plane.rest.create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
});
after(() => plane.stop());

test("kubectl has the API server's version and reaches it through the kubeconfig", async () => {
  const { stdout } = await execute(plane.binaries.kubectl, [
    "--kubeconfig",
    plane.kubeconfigPath,
    "version",
    "--output=json",
  ]);
  const { clientVersion, serverVersion } = JSON.parse(stdout);
  assert.match(serverVersion.gitVersion, /^v\d+\.\d+\.\d+$/);
  assert.equal(clientVersion.gitVersion, serverVersion.gitVersion);
});

test("a Deployment becomes available, its pods' imageID carries the digest of the image", async () => {
  await plane.rest.create(deployments, deployment("ready"));
  await until(async () => pick(await plane.rest.get(`${deployments}/ready`), "status", "availableReplicas") === 1);
  const [pod] = await podsOf("ready");
  assert.deepEqual(
    [pick(pod, "status", "phase"), pick(container(pod), "imageID"), pick(container(pod), "ready")],
    ["Running", `ghcr.io/fluxcd/source-controller@${digest}`, true],
  );
});

for (const { outcome, phase, picture } of [
  { outcome: "crash-loop", phase: "Running", picture: { waiting: "CrashLoopBackOff", restartCount: 5 } },
  { outcome: "image-pull-error", phase: "Pending", picture: { waiting: "ImagePullBackOff", restartCount: 0 } },
  { outcome: "never-ready", phase: "Running", picture: { waiting: undefined, restartCount: 0 } },
]) {
  test(`a pod annotated ${outcome} shows it, and recovers when the annotation goes`, async () => {
    await plane.rest.create(
      deployments,
      deployment(outcome, { annotations: { "kwok.flux-operator.test/outcome": outcome } }),
    );
    const pod = await untilDefined(async () => {
      const [found] = await podsOf(outcome);
      return conditionOf(found, "Ready") === "False" ? found : undefined;
    });
    const seen = {
      waiting: pick(container(pod), "state", "waiting", "reason"),
      restartCount: pick(container(pod), "restartCount"),
    };
    assert.deepEqual({ phase: pick(pod, "status", "phase"), picture: seen }, { phase, picture });
    const path = `${pods}/${pod.metadata.name}`;
    await plane.rest.patch(path, { metadata: { annotations: { "kwok.flux-operator.test/outcome": null } } });
    await until(async () => conditionOf(await plane.rest.get(path), "Ready") === "True");
  });
}

test("a deleted pod goes at once, one with a finalizer when that is taken off", async () => {
  await plane.rest.create(pods, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "kept", finalizers: ["test.local/keep"] },
    spec: podSpec(),
  });
  await until(async () => conditionOf(await plane.rest.get(`${pods}/kept`), "Ready") === "True");
  await plane.rest.delete(`${pods}/kept`);
  assert.notEqual((await plane.rest.get(`${pods}/kept`)).metadata.deletionTimestamp, undefined);
  await plane.rest.patch(`${pods}/kept`, { metadata: { finalizers: null } });
  await untilGone(`${pods}/kept`);
});

test("a claim of the default StorageClass is bound when its pod is scheduled, its volume goes with it", async () => {
  await plane.rest.create(claims, {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "data" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "10Gi" } } },
  });
  const volumes = [{ name: "data", persistentVolumeClaim: { claimName: "data" } }];
  await plane.rest.create(deployments, deployment("stateful", { volumes }));
  await until(async () => pick(await plane.rest.get(`${claims}/data`), "status", "phase") === "Bound");
  const claim = await plane.rest.get(`${claims}/data`);
  assert.equal(pick(claim, "spec", "storageClassName"), "standard");
  await plane.rest.delete(`${deployments}/stateful`);
  await plane.rest.delete(`${claims}/data`);
  await untilGone(`/api/v1/persistentvolumes/pvc-${claim.metadata.uid}`);
});

test("a user without bindings may do nothing, with a binding what it says", async () => {
  const kubeconfig = await plane.kubeconfigFor({ user: "alice", groups: ["readers"] });
  const mayList = async (): Promise<string> => {
    const args = ["--kubeconfig", kubeconfig, "auth", "can-i", "list", "configmaps", "--all-namespaces"];
    // Answers "no" with exit code 1.
    const { stdout } = await execute(plane.binaries.kubectl, args).catch((error: { readonly stdout: string }) => error);
    return stdout.trim();
  };
  assert.equal(await mayList(), "no");
  await plane.rest.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: "readers" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "readers" }],
  });
  await until(async () => (await mayList()) === "yes");
});

test("the audit log names who asked for what", async () => {
  const token = await plane.serviceAccountToken({ namespace: "default", name: "default" });
  await using rest = createRest({ server: plane.server, caPem: plane.caPem, token, userAgent: "audited/1.0" });
  assert.equal((await rest.request("GET", `${pods}/none`)).status, 403);
  const events = (await plane.auditEvents()).filter(({ userAgent }) => userAgent === "audited/1.0");
  assert.deepEqual(
    events.map(({ verb, user, objectRef, responseStatus }) => [
      verb,
      user.username,
      objectRef?.resource,
      responseStatus?.code,
    ]),
    [["get", "system:serviceaccount:default:default", "pods", 403]],
  );
});

test("reset() leaves what a new cluster has: other namespaces, CRDs and roles go, stuck finalizers too", async () => {
  const { rest } = plane;
  const things = "/apis/test.local/v1/things";
  await rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", thingDefinition);
  await until(async () => (await rest.request("GET", things)).status === 200);
  await rest.create(things, {
    apiVersion: "test.local/v1",
    kind: "Thing",
    metadata: { name: "stuck", finalizers: ["test.local/nobody"] },
  });
  await rest.create("/api/v1/namespaces/default/configmaps", {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "mine" },
  });
  await plane.reset();
  const names = async (path: string): Promise<readonly string[]> =>
    (await rest.list(path)).map(({ metadata }) => metadata.name);
  assert.deepEqual(await names("/api/v1/namespaces"), ["default", "kube-node-lease", "kube-public", "kube-system"]);
  assert.deepEqual(await names("/apis/apiextensions.k8s.io/v1/customresourcedefinitions"), []);
  assert.deepEqual(await names("/api/v1/persistentvolumes"), []);
  assert.deepEqual(await names("/api/v1/namespaces/default/configmaps"), ["kube-root-ca.crt"]);
  assert.deepEqual(await names("/apis/storage.k8s.io/v1/storageclasses"), ["standard"]);
  assert.equal(
    (await rest.request("GET", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/readers")).status,
    404,
  );
  assert.equal(
    (await rest.request("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin")).status,
    200,
  );
});

const thingDefinition: JsonObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "things.test.local" },
  spec: {
    group: "test.local",
    scope: "Cluster",
    names: { plural: "things", singular: "thing", kind: "Thing", listKind: "ThingList" },
    versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
  },
};

type Variation = { readonly annotations?: JsonObject; readonly volumes?: JsonValue };

function deployment(app: string, { annotations = {}, volumes = [] }: Variation = {}): JsonObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: app },
    spec: {
      selector: { matchLabels: { app } },
      template: { metadata: { labels: { app }, annotations }, spec: { ...podSpec(), volumes } },
    },
  };
}

function podSpec(): JsonObject {
  return { containers: [{ name: "manager", image }], nodeSelector: { "kubernetes.io/os": "linux" } };
}

function podsOf(app: string): Promise<readonly KubeObject[]> {
  return plane.rest.list(`${pods}?labelSelector=app%3D${app}`);
}

function pick(value: JsonValue | undefined, ...path: readonly (string | number)[]): JsonValue | undefined {
  return path.reduce<JsonValue | undefined>(
    (at, key) =>
      typeof at === "object" && at !== null
        ? Object.entries(at).find(([name]) => name === String(key))?.[1]
        : undefined,
    value,
  );
}

function container(pod: KubeObject | undefined): JsonValue | undefined {
  return pick(pod, "status", "containerStatuses", 0);
}

function conditionOf(pod: KubeObject | undefined, type: string): JsonValue | undefined {
  const conditions = pick(pod, "status", "conditions");
  return Array.isArray(conditions)
    ? pick(
        conditions.find((condition) => pick(condition, "type") === type),
        "status",
      )
    : undefined;
}

async function untilGone(path: string): Promise<void> {
  await until(async () => (await plane.rest.request("GET", path)).status === 404);
}

async function until(isDone: () => Promise<boolean>): Promise<void> {
  await untilDefined(async () => ((await isDone()) ? true : undefined));
}

async function untilDefined<T>(find: () => Promise<T | undefined>): Promise<T> {
  const timeout = AbortSignal.timeout(15_000);
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    timeout.throwIfAborted();
    await sleep(25);
  }
}
