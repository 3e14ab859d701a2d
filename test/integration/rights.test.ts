import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { AuditEvent } from "../../scripts/control-plane/audit.ts";
import { startOperator } from "../../scripts/quickstart/operator-process.ts";
import { rightsIn } from "../../scripts/rights/rights.ts";
import { operatorName } from "../../src/api/names.ts";
import type { Right } from "../../src/controllers/flux-instance/rights/right.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { applyAsFluxCli, installManifests } from "../support/bootstrap.ts";
import type { ControlPlane } from "../support/control-plane.ts";
import { isReady, namespace, startFluxCluster, statusOf, type FluxCluster } from "../support/flux-cluster.ts";
import { applyFile, connectAsOperator, forbiddenRequests, operatorUser } from "../support/installation.ts";
import { applyServed, otherObjects } from "../support/go-operator.ts";
import type { Workload } from "../support/real-world.ts";
import {
  allows,
  describeRequest,
  grantAllBut,
  isAllowed,
  requestsOf,
  untilAllowed,
  userWithout,
  type ResourceRequest,
} from "../support/rights.ts";

const never = new AbortController().signal;
const instances = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const services = `/api/v1/namespaces/${namespace}/services`;
const rbac = "/apis/rbac.authorization.k8s.io/v1";
const rbacV1 = { group: "rbac.authorization.k8s.io", version: "v1" };
const deploymentKind = { group: "apps", version: "v1", kind: "Deployment" };
const components = [
  "source-controller",
  "kustomize-controller",
  "helm-controller",
  "notification-controller",
  "image-reflector-controller",
  "image-automation-controller",
];

let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster({ kubeconfig: install });
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

async function install(plane: ControlPlane): Promise<string> {
  const { complaints } = await applyFile(plane, "packaging/yaml/install.yaml");
  assert.equal(complaints, "");
  return await connectAsOperator(plane);
}

async function applyInstance(spec: JsonObject): Promise<void> {
  await cluster.apply({
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace },
    spec: { components, ...spec },
  });
  await cluster.instanceWhen("ready", isReady);
}

function distribution(version: string): JsonObject {
  return { version, registry: "ghcr.io/fluxcd", imagePullSecret: "pull" };
}

const sync = { kind: "OCIRepository", url: "oci://registry.example.com/fleet", ref: "latest", path: "./" };

/** Users' objects, in versions that 2.2 stores and 2.9 does not serve, with Flux's finalizer. */
const written: readonly KubeObject[] = [
  user("helm.toolkit.fluxcd.io/v2beta2", "HelmRelease", {
    interval: "5m0s",
    chart: { spec: { chart: "web", sourceRef: { kind: "HelmRepository", name: "web" } } },
  }),
  user("source.toolkit.fluxcd.io/v1beta2", "Bucket", { interval: "5m0s", bucketName: "b", endpoint: "s3.example.com" }),
  user("kustomize.toolkit.fluxcd.io/v1", "Kustomization", {
    interval: "5m0s",
    prune: false,
    sourceRef: { kind: "GitRepository", name: "web" },
  }),
  user("image.toolkit.fluxcd.io/v1beta2", "ImagePolicy", {
    imageRepositoryRef: { name: "web" },
    policy: { semver: { range: "1.x" } },
  }),
  user("notification.toolkit.fluxcd.io/v1beta3", "Alert", {
    providerRef: { name: "chat" },
    eventSources: [{ kind: "Kustomization", name: "*" }],
  }),
];

function user(apiVersion: string, kind: string, spec: JsonObject): KubeObject {
  const metadata = { name: "web", namespace: "default", finalizers: ["finalizers.fluxcd.io"] };
  return { apiVersion, kind, metadata, spec };
}

/** The controllers of another Flux, which has been scaled to 0. */
const otherFlux: KubeObject = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "helm-controller", namespace: "other" },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: "other" } },
    template: {
      metadata: { labels: { app: "other" } },
      spec: { containers: [{ name: "manager", image: "registry.example.com/fluxcd/helm-controller:v1.5.0" }] },
    },
  },
};

const ofGoOperator = otherObjects.filter(({ kind }) => kind !== "Deployment");

/** As a cluster admin has it who did not want Flux to be cluster-admin: this binding has to be recreated. */
function boundToLess(object: Workload): Workload {
  if (object.metadata.name !== `cluster-reconciler-${namespace}`) return object;
  return { ...object, roleRef: { apiGroup: rbacV1.group, kind: "ClusterRole", name: "view" } };
}

async function requests(): Promise<readonly AuditEvent[]> {
  return (await cluster.plane.auditEvents()).filter(({ user }) => user.username === operatorUser);
}

/** Resolves once the operator has asked for what `wanted` describes. */
async function asked(wanted: (event: AuditEvent) => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(90_000);
  while (!(await requests()).some(wanted)) await systemClock.sleep(200, deadline);
}

describe("the rights of packaging/yaml/install.yaml are enough for an operator that", { concurrency: 1 }, () => {
  test("takes over Flux 2.2 of the Flux CLI, with users' objects, beside another Flux that is scaled to 0", async () => {
    await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "other" } });
    await applyAsFluxCli(installManifests("2.2.3", components).map(boundToLess), cluster.client);
    for (const object of [...written, otherFlux]) await cluster.apply(object);
    for (const object of ofGoOperator) await applyServed(object, "kubectl", cluster);
    const synced = { "kustomize.toolkit.fluxcd.io/name": "web", "kustomize.toolkit.fluxcd.io/namespace": "default" };
    await cluster.plane.rest.patch(`${services}/source-controller`, { metadata: { labels: synced } });
    await cluster.plane.rest.create("/api/v1/namespaces/flux-system/secrets", {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "pull" },
      type: "kubernetes.io/dockerconfigjson",
      data: { ".dockerconfigjson": Buffer.from('{"auths":{}}').toString("base64") },
    });
    await applyInstance({
      distribution: distribution("2.2.3"),
      sharding: { shards: ["a"] },
      storage: { class: "standard", size: "1Gi" },
      sync,
    });
  });

  test("leaves the namespace its Pod Security Standard", async () => {
    const { metadata } = await cluster.plane.rest.get(`/api/v1/namespaces/${namespace}`);
    assert.equal(metadata.labels?.["pod-security.kubernetes.io/enforce"], "restricted");
  });

  for (const { path, gvk, name } of [
    { path: services, gvk: { group: "", version: "v1", kind: "Service" }, name: "source-controller" },
    {
      path: `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`,
      gvk: { group: "networking.k8s.io", version: "v1", kind: "NetworkPolicy" },
      name: "allow-egress",
    },
    { path: `${rbac}/clusterroles`, gvk: { ...rbacV1, kind: "ClusterRole" }, name: `crd-controller-${namespace}` },
    {
      path: `${rbac}/clusterrolebindings`,
      gvk: { ...rbacV1, kind: "ClusterRoleBinding" },
      name: `cluster-reconciler-${namespace}`,
    },
  ]) {
    test(`restores ${gvk.kind} ${name} when it is deleted`, async () => {
      const { metadata } = await cluster.plane.rest.get(`${path}/${name}`);
      await cluster.plane.rest.delete(`${path}/${name}`);
      await cluster.objectWhen(
        gvk,
        "restored",
        (object) => object.metadata.name === name && object.metadata.uid !== metadata.uid,
      );
    });
  }

  test("repairs a cluster role whose rules are taken away", async () => {
    const name = `crd-controller-${namespace}`;
    await cluster.plane.rest.patch(`${rbac}/clusterroles/${name}`, { rules: [] });
    await cluster.objectWhen(
      { ...rbacV1, kind: "ClusterRole" },
      "repaired",
      ({ metadata, rules }) => metadata.name === name && Array.isArray(rules) && rules.length > 0,
    );
  });

  test("upgrades over seven minors, and moves stored objects", async () => {
    await applyInstance({
      distribution: distribution("2.9.4"),
      components: [...components, "source-watcher"],
      sharding: { shards: ["a"] },
      storage: { class: "standard", size: "1Gi" },
      sync,
    });
    await cluster.apply({
      ...user("source.extensions.fluxcd.io/v1beta1", "ArtifactGenerator", {
        sources: [{ alias: "web", kind: "OCIRepository", name: "web" }],
        artifacts: [{ name: "web", copy: [{ from: "@web/**", to: "@artifact/" }] }],
      }),
    });
  });

  test("prunes a shard, a claim and the sync objects", async () => {
    await applyInstance({ distribution: distribution("2.9.4"), components: [...components, "source-watcher"] });
  });

  test("is one of two, of which the other leads", async () => {
    const kubeconfigPath = await connectAsOperator(cluster.plane);
    const standby = startOperator({ kubeconfigPath, folder: cluster.plane.folder });
    await asked(({ verb, objectRef }) => verb === "watch" && objectRef?.resource === "leases").finally(() =>
      standby.stop(),
    );
  });

  test("tells an instance in another namespace that it has no effect", async () => {
    await cluster.apply({
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: { name: "flux", namespace: "other" },
      spec: { distribution: distribution("2.x") },
    });
    await cluster.instanceWhen("told", (object) => Array.isArray(statusOf(object)["conditions"]), "other");
  });

  test("uninstalls, and takes Flux's finalizer off what users have", async () => {
    await cluster.plane.rest.delete(instances);
    await cluster.gone(`FluxInstance/${namespace}/flux`);
    await cluster.gone(`CustomResourceDefinition/helmreleases.helm.toolkit.fluxcd.io`);
    const { items } = await cluster.client.list(deploymentKind, { namespace }, never);
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      [operatorName],
    );
  });
});

const rights = rightsIn(namespace);

describe("of the requests of that operator", () => {
  let seen: readonly ResourceRequest[];
  before(async () => {
    seen = (await requests()).flatMap(requestsOf);
  });

  test("none was forbidden", async () => {
    assert.deepEqual(forbiddenRequests(await requests()), []);
  });

  test("each is allowed by a rule", () => {
    const others = seen.filter((request) => !rights.some((right) => allows(right, request, namespace)));
    assert.deepEqual([...new Set(others.map(describeRequest))], []);
  });

  test("every rule is needed by some that no other rule allows, verb by verb, where it does not say why not", () => {
    const idle = rights.flatMap((right) => {
      const others = rights.filter((other) => other !== right);
      const only = seen.filter(
        (request) => allows(right, request, namespace) && !others.some((other) => allows(other, request, namespace)),
      );
      const excused = right.unseen?.verbs ?? [];
      return right.verbs
        .filter((verb) => !excused.includes(verb) && !only.some((request) => request.verb === verb))
        .map((verb) => `${verb} ${right.resources.join(",")} of ${right.group} (${right.scope})`);
    });
    assert.deepEqual(idle, []);
  });
});

/** While a role or a binding is written, the API server asks for these itself; its audit log does not show it. */
function askedByServer({ verb, group, resource, name }: ResourceRequest): readonly ResourceRequest[] {
  if (verb !== "patch" || group !== rbacV1.group) return [];
  const ask = (what: string, role: string): ResourceRequest => ({
    verb: what,
    group,
    resource: "clusterroles",
    namespace: "",
    name: role,
  });
  return resource === "clusterroles" ? [ask("escalate", name)] : [ask("bind", "cluster-admin")];
}

describe("without any one of its rules, that operator would be refused:", () => {
  const rules = (["cluster", "namespace"] as const).flatMap((scope) =>
    rights.filter((right) => right.scope === scope).map((right, position) => ({ right, scope, position })),
  );
  let asked: readonly ResourceRequest[];
  before(async () => {
    const seen = (await requests()).flatMap(requestsOf);
    asked = [...seen, ...seen.flatMap(askedByServer)];
    for (const rule of rules) await grantAllBut(cluster.plane.rest, rule, namespace);
  });

  /** A request that this right allows, and no other. */
  function onlyBy(right: Right): ResourceRequest {
    const found = asked.find(
      (request) =>
        allows(right, request, namespace) &&
        !rights.some((other) => other !== right && allows(other, request, namespace)),
    );
    assert.ok(found, `it has asked for what only this rule allows; the operator has it because it ${right.why}`);
    return found;
  }

  for (const rule of rules) {
    const { right, scope, position } = rule;
    const resources = right.resources.map((resource) => (right.group === "" ? resource : `${resource}.${right.group}`));
    const names = right.names === undefined ? "" : ` of ${right.names.length} names`;
    test(`${scope} rule ${position}, ${right.verbs.join(", ")} ${resources.join(", ")}${names}`, async () => {
      const { rest } = cluster.plane;
      const beside = rules.find((other) => other.scope === scope && other.position !== position);
      assert.ok(beside);
      await untilAllowed(rest, userWithout(rule), onlyBy(beside.right));
      const needed = onlyBy(right);
      assert.deepEqual(
        [await isAllowed(rest, operatorUser, needed), await isAllowed(rest, userWithout(rule), needed)],
        [true, false],
        describeRequest(needed),
      );
    });
  }
});
