import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf, specOf } from "../../../../test/support/small-release.ts";
import { ownerLabels } from "../../../api/names.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import { parseApiVersion } from "../../../kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { worldOf } from "../world.ts";
import { judgeClaims, judgeKubernetes, judgeNamespace, judgePullSecret, judgeStorageClasses } from "./cluster.ts";
import { judgeDeletions, judgeWaitingDeletions, kindsWaitingForController } from "./deletions.ts";
import { judgeInstallations, judgeKustomizations, judgeOperatorKinds, kustomizationsOf } from "./installations.ts";
import { judgeQuotas } from "./quota.ts";
import { judgeSizes } from "./sizes.ts";
import type { Finding, Subject } from "./subject.ts";

const own = "flux-system";
const going = { deletionTimestamp: "2026-01-01T00:00:00Z" };

function object(apiVersion: string, named: string, fields: JsonObject = {}): KubeObject {
  const [kind = "", ...path] = named.split("/");
  const [name = "", namespace] = path.toReversed();
  const { metadata = {}, ...rest } = fields;
  const place = namespace === undefined ? { name } : { name, namespace };
  return { apiVersion, kind, metadata: { ...place, ...(metadata as JsonObject) }, ...rest };
}

type Pods = {
  readonly replicas?: number;
  readonly args?: readonly string[];
  readonly pod?: JsonObject;
  readonly resources?: JsonObject;
  readonly metadata?: JsonObject;
  readonly namespace?: string;
};

function controller(component: string, { namespace = own, metadata = {}, ...pods }: Pods = {}): KubeObject {
  const { replicas = 1, args = [], pod = {}, resources = { limits: { cpu: "1" }, requests: { cpu: "100m" } } } = pods;
  const spec = { ...pod, containers: [{ name: "manager", args, resources }] };
  const labels = { "app.kubernetes.io/component": component };
  return object("apps/v1", `Deployment/${namespace}/${component}`, {
    metadata: { labels, ...metadata },
    spec: { replicas, template: { spec } },
  });
}

function subjectOf(planned: readonly PlannedObject[], version = "2.9.4", live: readonly KubeObject[] = []): Subject {
  const instance = object("fluxcd.controlplane.io/v1", `FluxInstance/${own}/flux`);
  const spec = specOf({ distribution: { imagePullSecret: "login" } });
  const objects = planned.map((one) => one.object);
  return {
    planned,
    isForbidden: false,
    world: worldOf(instance, new Map(live.map((one) => [idOf(one), one.metadata])), own),
    target: {
      spec,
      latestVersion: version,
      release: releaseOf(version),
      rendering: { version, revision: `v${version}@sha256:0`, objects, images: [], patches: [] },
    },
  };
}

function idOf({ apiVersion, kind, metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}_${metadata.name}_${parseApiVersion(apiVersion).group}_${kind}`;
}

function create(...objects: readonly KubeObject[]): readonly PlannedObject[] {
  return objects.map((one) => ({ object: one, action: "create" }));
}

function configure(wanted: KubeObject, live: KubeObject): PlannedObject {
  return { object: wanted, action: "configure", live };
}

function said(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ kind, text }) => `${kind}: ${text}`);
}

const version = (gitVersion: string, minor = "") => ({ gitVersion, major: "1", minor });
for (const { name, given, flux = "2.9.4", want } of [
  { name: "takes the minimum of the minor", given: version("v1.33.0"), want: [] },
  { name: "reads suffixes of vendors", given: version("v1.34.1-eks-99d6cc0"), want: [] },
  { name: "reads builds", given: version("v1.33.1+k3s1"), want: [] },
  { name: "falls back to the minor that the server names", given: version("custom", "33+"), want: [] },
  { name: "takes the newest that is tested", given: version("v1.36.3"), want: [] },
  {
    name: "refuses what is older",
    given: version("v1.18.9-eks-1234"),
    want: [
      "refuse: Flux 2.9.4 needs Kubernetes 1.33 or newer, and this is v1.18.9-eks-1234; upgrade Kubernetes, or choose an older Flux in spec.distribution.version",
    ],
  },
  { name: "compares minors as numbers", given: version("v1.9.0"), flux: "2.2.3", want: 1 },
  { name: "holds an older Flux to its own minimum", given: version("v1.28.0"), flux: "2.4.0", want: [] },
  {
    name: "warns of what is newer than tested",
    given: version("v1.37.0"),
    want: [
      "warn: Kubernetes 1.37 is newer than 1.36, the newest that this operator is tested with; upgrade the operator",
    ],
  },
  {
    name: "warns of a Flux minor whose minimum nobody knows",
    given: version("v1.36.0"),
    flux: "2.10.0",
    want: ["warn: this operator does not know which Kubernetes Flux 2.10.0 needs; a newer operator does"],
  },
  {
    name: "warns of a version that cannot be read",
    given: version("homemade"),
    want: ["warn: the Kubernetes version homemade cannot be read, so it was not checked that Flux 2.9.4 runs on it"],
  },
] as const) {
  test(`judgeKubernetes() ${name}`, () => {
    const got = said(judgeKubernetes(given, subjectOf([], flux)));
    if (typeof want === "number") assert.equal(got.length, want);
    else assert.deepEqual(got, want);
  });
}

for (const { name, namespace, want } of [
  { name: "takes one that stays", namespace: object("v1", `Namespace/${own}`), want: [] },
  {
    name: "refuses one that goes",
    namespace: object("v1", `Namespace/${own}`, { metadata: going }),
    want: [
      "refuse: Namespace/flux-system is being deleted, and nothing new can be created in it; create it and the FluxInstance again once it is deleted",
    ],
  },
]) {
  test(`judgeNamespace() ${name}`, () => assert.deepEqual(said(judgeNamespace(namespace, subjectOf([]))), want));
}

const claim = object("v1", `PersistentVolumeClaim/${own}/source-controller`, { spec: { storageClassName: "fast" } });
for (const { name, planned, live = [], missing = ["fast"], want } of [
  {
    name: "refuses a new claim of a class that is not there",
    planned: create(claim),
    want: [
      "refuse: StorageClass/fast, which PersistentVolumeClaim/flux-system/source-controller asks for, does not exist; create it, or change spec.storage.class",
    ],
  },
  { name: "takes a class that is there", planned: create(claim), missing: [], want: [] },
  { name: "leaves a claim alone that exists", planned: [configure(claim, claim)], want: [] },
  { name: "leaves a claim alone that the watch knows", planned: create(claim), live: [claim], want: [] },
]) {
  test(`judgeStorageClasses() ${name}`, () =>
    assert.deepEqual(said(judgeStorageClasses(missing, subjectOf(planned, "2.9.4", live))), want));
}

const ofClass = (storageClassName: string) => ({ ...claim, spec: { storageClassName } });
for (const { name, planned = create(claim), live, want } of [
  {
    name: "refuses another class, and says what to do",
    live: [ofClass("slow")],
    want: [
      "refuse: PersistentVolumeClaim/flux-system/source-controller has the StorageClass slow, which cannot be changed to fast; keep slow in spec.storage.class, or remove spec.storage, wait until Ready is True, and set it again",
    ],
  },
  { name: "takes the same class", live: [claim], want: [] },
  { name: "takes a claim that is new", live: [], want: [] },
  { name: "leaves a claim without a class to the API server, which may give it one", live: [ofClass("")], want: [] },
  { name: "keeps the class where none is desired", planned: create(ofClass("")), live: [claim], want: [] },
]) {
  test(`judgeClaims() ${name}`, () => assert.deepEqual(said(judgeClaims(live, subjectOf(planned))), want));
}

const secret = (type: string) => object("v1", `Secret/${own}/login`, { type });
for (const { name, found, want } of [
  { name: "takes a login", found: secret("kubernetes.io/dockerconfigjson"), want: [] },
  {
    name: "warns of a missing one",
    found: undefined,
    want: [
      "warn: Secret/flux-system/login, named in spec.distribution.imagePullSecret, does not exist, so images are pulled without login; create it with type kubernetes.io/dockerconfigjson",
    ],
  },
  {
    name: "warns of another type",
    found: secret("Opaque"),
    want: [
      "warn: Secret/flux-system/login, named in spec.distribution.imagePullSecret, has type Opaque, so the kubelet ignores it; create it again with type kubernetes.io/dockerconfigjson",
    ],
  },
]) {
  test(`judgePullSecret() ${name}`, () => assert.deepEqual(said(judgePullSecret(found, subjectOf([]))), want));
}

const account = object("v1", `ServiceAccount/${own}/a`);
const held = object("v1", `ServiceAccount/${own}/a`, { metadata: { ...going, finalizers: ["z", "b"] } });
for (const { name, subject, want } of [
  { name: "takes what stays", subject: subjectOf([configure(account, account)]), want: [] },
  {
    name: "refuses what goes, and says who holds it",
    subject: subjectOf([configure(account, held)]),
    want: [
      "refuse: being deleted: ServiceAccount/flux-system/a (held by b, z); wait until the deletion has ended, or find out who holds it up",
    ],
  },
  {
    name: "refuses what goes by the watch",
    subject: subjectOf([{ object: account, action: "unchanged" }], "2.9.4", [held]),
    want: [
      "refuse: being deleted: ServiceAccount/flux-system/a (held by b, z); wait until the deletion has ended, or find out who holds it up",
    ],
  },
]) {
  test(`judgeDeletions() ${name}`, () => assert.deepEqual(said(judgeDeletions(subject)), want));
}

const definition = object("apiextensions.k8s.io/v1", "CustomResourceDefinition/helmreleases", {
  metadata: { labels: { "app.kubernetes.io/component": "helm-controller" } },
  spec: {
    group: "helm.toolkit.fluxcd.io",
    names: { kind: "HelmRelease" },
    versions: [{ name: "v2", served: true, storage: true }],
  },
});
const helm = controller("helm-controller");
const releases = [{ group: "helm.toolkit.fluxcd.io", kind: "HelmRelease", version: "v2" }];
const shard = controller("helm-controller", { metadata: { name: "helm-controller-a" } });
for (const { name, planned, want } of [
  {
    name: "names kinds that are there before their controller",
    planned: [configure(definition, definition), ...create(helm)],
    want: releases,
  },
  { name: "has none on a clean cluster", planned: create(definition, helm), want: [] },
  {
    name: "has none where the controller runs",
    planned: [configure(definition, definition), configure(helm, helm)],
    want: [],
  },
  {
    name: "has none where only a shard is new",
    planned: [configure(definition, definition), configure(helm, helm), ...create(shard)],
    want: [],
  },
]) {
  test(`kindsWaitingForController() ${name}`, () =>
    assert.deepEqual(kindsWaitingForController(subjectOf(planned)), want));
}

test("judgeWaitingDeletions() names what goes, sorted and bounded", () => {
  const names = ["g", "f", "e", "d", "c", "b", "a"];
  const objects = names.map((name) => object("a/v1", `Kustomization/apps/${name}`, { metadata: going }));
  const kept = object("a/v1", "Kustomization/apps/kept");
  const listed = ["a", "b", "c", "d", "e"].map((name) => `Kustomization/apps/${name}`).join(", ");
  assert.deepEqual(said(judgeWaitingDeletions([kept, ...objects])), [
    `refuse: being deleted: ${listed} and 2 more; once started, their controller would finish these deletions and remove what they manage; remove the finalizers first to keep it`,
  ]);
  assert.deepEqual(judgeWaitingDeletions([kept]), []);
});

function quota(hard: JsonObject, { used = {}, ...spec }: JsonObject = {}): KubeObject {
  return object("v1", `ResourceQuota/${own}/q`, { spec: { hard, ...spec }, status: { hard, used } });
}
const two = create(controller("a"), controller("b", { replicas: 2 }));
const critical = {
  scopeSelector: { matchExpressions: [{ scopeName: "PriorityClass", operator: "In", values: ["x"] }] },
};
const short = (limits: string) => [
  `refuse: ResourceQuota/flux-system/q has no room for the pods of Flux (${limits}); raise it or remove it`,
];
for (const { name, quotas, planned = two, want } of [
  { name: "takes what has room", quotas: [quota({ pods: "3" })], want: [] },
  { name: "counts replicas", quotas: [quota({ pods: "2" })], want: short("pods: 2") },
  { name: "counts what others use", quotas: [quota({ pods: "5" }, { used: { pods: "3" } })], want: short("pods: 5") },
  { name: "adds up requests", quotas: [quota({ "requests.cpu": "299m" })], want: short("requests.cpu: 299m") },
  { name: "reads numbers of any form", quotas: [quota({ "requests.cpu": "3e-1", "limits.cpu": "3" })], want: [] },
  {
    name: "names all limits, sorted",
    quotas: [quota({ pods: "1", "limits.cpu": "2", secrets: "0" })],
    want: short("limits.cpu: 2, pods: 1"),
  },
  { name: "counts only what grows", quotas: [quota({ pods: "0" })], planned: [configure(helm, helm)], want: [] },
  {
    name: "counts what grows",
    quotas: [quota({ pods: "1" }, { used: { pods: "1" } })],
    planned: [configure(controller("a", { replicas: 2 }), controller("a"))],
    want: short("pods: 1"),
  },
  { name: "knows no memory where none is asked for", quotas: [quota({ memory: "0" })], want: [] },
  { name: "leaves a quota for other pods alone", quotas: [quota({ pods: "0" }, critical)], want: [] },
  {
    name: "holds pods to the quota of their priority",
    quotas: [quota({ pods: "0" }, critical)],
    planned: create(controller("a", { pod: { priorityClassName: "x" } })),
    want: short("pods: 0"),
  },
  { name: "leaves out pods without requests", quotas: [quota({ pods: "0" }, { scopes: ["BestEffort"] })], want: [] },
  {
    name: "counts pods that run for ever",
    quotas: [quota({ pods: "0" }, { scopes: ["NotTerminating"] })],
    want: short("pods: 0"),
  },
  {
    name: "is not stopped by a quota of the plan",
    quotas: [quota({ pods: "0" })],
    planned: [...two, ...create(quota({}))],
    want: [],
  },
]) {
  test(`judgeQuotas() ${name}`, () => assert.deepEqual(said(judgeQuotas(quotas, subjectOf(planned))), want));
}

const other = { namespace: "old" };
const ours = create(controller("helm-controller", { args: ["--watch-all-namespaces=true"] }));
const rival =
  "refuse: another installation of Flux reconciles the same objects: Deployment/old/helm-controller; remove it, or scale it to 0";
const leftover =
  "warn: another installation of Flux is there: Deployment/old/helm-controller; remove it if it is not needed";
const ownOnly = ["--watch-all-namespaces=false"];
for (const { name, found, planned = ours, want } of [
  { name: "takes a cluster without another Flux", found: [], want: [] },
  { name: "takes over what is in its own namespace", found: [helm], want: [] },
  { name: "refuses a controller that watches the same", found: [controller("helm-controller", other)], want: [rival] },
  {
    name: "refuses one in a namespace that ours watches",
    found: [controller("helm-controller", { ...other, args: ownOnly })],
    want: [rival],
  },
  {
    name: "warns where each watches its own namespace",
    found: [controller("helm-controller", { ...other, args: ownOnly })],
    planned: create(controller("helm-controller", { args: ownOnly })),
    want: [leftover],
  },
  {
    name: "warns of one that is scaled to 0",
    found: [controller("helm-controller", { ...other, replicas: 0 })],
    want: [leftover],
  },
  {
    name: "refuses one whose last pod is still there",
    found: [{ ...controller("helm-controller", { ...other, replicas: 0 }), status: { replicas: 1 } }],
    want: [rival],
  },
  {
    name: "warns of another controller",
    found: [controller("source-watcher", other)],
    want: ["warn: another installation of Flux is there: Deployment/old/source-watcher; remove it if it is not needed"],
  },
  {
    name: "warns of a shard that ours leaves alone",
    found: [controller("helm-controller", { ...other, args: ["--watch-label-selector=k=a"] })],
    planned: create(controller("helm-controller", { args: ["--watch-label-selector=!k"] })),
    want: [leftover],
  },
  {
    name: "names the Helm release elsewhere",
    found: [
      controller("helm-controller", { ...other, metadata: { annotations: { "meta.helm.sh/release-name": "flux2" } } }),
    ],
    want: [rival.replace("helm-controller;", "helm-controller of the Helm release flux2;")],
  },
  {
    name: "warns of one that carries our labels and is not remembered",
    found: [controller("source-watcher", { metadata: { labels: ownerLabels({ namespace: own, name: "flux" }) } })],
    want: [
      "warn: these controllers carry the labels of this instance, but are neither in its spec nor in its inventory: Deployment/flux-system/source-watcher; delete them, they keep running and would block its deletion",
    ],
  },
  {
    name: "takes one that carries our labels and is wanted",
    found: [controller("helm-controller", { metadata: { labels: ownerLabels({ namespace: own, name: "flux" }) } })],
    want: [],
  },
  {
    name: "warns of a Helm release whose controllers it takes over",
    found: [controller("helm-controller", { metadata: { annotations: { "meta.helm.sh/release-name": "flux2" } } })],
    want: [
      "warn: the Helm release flux2 installed controllers that this instance takes over; do not upgrade or uninstall it, but let Helm forget it by deleting its Secrets (label owner=helm)",
    ],
  },
]) {
  test(`judgeInstallations() ${name}`, () =>
    assert.deepEqual(said(judgeInstallations(found, subjectOf(planned))), want));
}

const bootstrapped = controller("helm-controller", {
  metadata: {
    labels: { "kustomize.toolkit.fluxcd.io/name": "flux-system", "kustomize.toolkit.fluxcd.io/namespace": own },
  },
});
function kustomization(entries: readonly JsonObject[]): KubeObject {
  return object("kustomize.toolkit.fluxcd.io/v1", `Kustomization/${own}/flux-system`, {
    status: { inventory: { entries } },
  });
}
const taken = subjectOf([configure(helm, bootstrapped)]);
test("kustomizationsOf() names who has applied objects of the plan", () => {
  assert.deepEqual(kustomizationsOf(taken), ["flux-system/flux-system"]);
  assert.deepEqual(kustomizationsOf(subjectOf([configure(helm, helm)])), []);
});
test("judgeKustomizations() warns of one that still has them", () =>
  assert.deepEqual(said(judgeKustomizations([kustomization([{ id: idOf(helm), v: "v1" }])], taken)), [
    "warn: Kustomization/flux-system/flux-system also applies Deployment/flux-system/helm-controller; remove them from its source (they will not be deleted)",
  ]));
test("judgeKustomizations() takes one that has let them go", () =>
  assert.deepEqual(judgeKustomizations([kustomization([])], taken), []));

test("judgeOperatorKinds() names kinds that nobody reconciles", () => {
  assert.deepEqual(judgeOperatorKinds([]), []);
  assert.deepEqual(said(judgeOperatorKinds(["ResourceSet", "FluxReport"])), [
    "warn: there are objects that this operator leaves alone and does not reconcile: FluxReport, ResourceSet",
  ]);
});

const shards = (count: number): readonly KubeObject[] =>
  Array.from({ length: count }, (_, index) => controller(`source-controller-${index}`));
for (const { name, patchKib, objects = [], rollback = true, want } of [
  { name: "takes what has room for itself and its record", patchKib: 800, want: [] },
  {
    name: "warns of a spec that the record has no room for",
    patchKib: 900,
    want: [
      "warn: a failed upgrade will not be rolled back: the record of what was healthy takes 901 of at most 900 KiB; shorten spec.kustomize.patches",
    ],
  },
  { name: "is silent about the record where there is no rollback", patchKib: 900, rollback: false, want: [] },
  {
    name: "refuses a spec that leaves no room for the status",
    patchKib: 1_480,
    want: [
      "refuse: the FluxInstance would take 1546 KiB with its status, and the API server stores at most 1536 KiB of an object; shorten spec.kustomize.patches, or have fewer shards",
    ],
  },
  {
    name: "counts the inventory",
    patchKib: 1_440,
    objects: shards(500),
    want: [
      "refuse: the FluxInstance would take 1539 KiB with its status, and the API server stores at most 1536 KiB of an object; shorten spec.kustomize.patches, or have fewer shards",
    ],
  },
])
  test(`judgeSizes() ${name}`, () => {
    const { target, world, ...others } = subjectOf(create(...objects));
    const spec = { kustomize: { patches: [{ patch: "x".repeat(patchKib * 1024) }] } };
    const instance = object("fluxcd.controlplane.io/v1", `FluxInstance/${own}/flux`, { spec });
    const subject = {
      ...others,
      world: { ...world, instance },
      target: { ...target, spec: { ...target.spec, upgrade: { ...target.spec.upgrade, rollback } } },
    };
    assert.deepEqual(said(judgeSizes(subject)), want);
  });
