import type { JsonObject, KubeObject } from "../kube/object.ts";
import { componentNames } from "./release.ts";
import type { Shapes } from "./shapes.ts";

const rbacGroup = "rbac.authorization.k8s.io";
const everything = ["*"];
const readVerbs = ["get", "list", "watch"];
const allVerbs = [...readVerbs, "create", "update", "patch", "delete"];
const sourceWatcherGroup = "source.extensions.fluxcd.io";

/** The objects of `rbac.yaml`, in its order. */
export function buildRbac(shapes: Shapes): readonly KubeObject[] {
  return [
    criticalPodsQuota,
    clusterRole("crd-controller", { rules: crdControllerRules(shapes) }),
    clusterRole("flux-edit", {
      labels: aggregateTo("admin", "edit"),
      rules: [aggregatedRule(shapes, ["create", "delete", "deletecollection", "patch", "update"])],
    }),
    clusterRole("flux-view", {
      labels: aggregateTo("admin", "edit", "view"),
      rules: [aggregatedRule(shapes, readVerbs)],
    }),
    clusterRoleBinding("cluster-reconciler", {
      role: "cluster-admin",
      serviceAccounts: ["kustomize-controller", "helm-controller"],
    }),
    clusterRoleBinding("crd-controller", {
      role: "crd-controller",
      serviceAccounts: crdControllerAccounts.filter((name) => shapes.sourceWatcher || name !== "source-watcher"),
    }),
  ];
}

/** Lets pods of the two critical priority classes run outside kube-system. */
const criticalPodsQuota: KubeObject = {
  apiVersion: "v1",
  kind: "ResourceQuota",
  metadata: { name: "critical-pods" },
  spec: {
    hard: { pods: "1000" },
    scopeSelector: {
      matchExpressions: [
        {
          operator: "In",
          scopeName: "PriorityClass",
          values: ["system-node-critical", "system-cluster-critical"],
        },
      ],
    },
  },
};

/** Users' patches count on list positions, so the order is the official one: source-controller comes third. */
const crdControllerAccounts = [
  "kustomize-controller",
  "helm-controller",
  ...componentNames.filter((name) => name !== "kustomize-controller" && name !== "helm-controller"),
];

function crdControllerRules(shapes: Shapes): readonly JsonObject[] {
  return [
    ...["source", "kustomize", "helm", "notification", "image"].map((name) =>
      rule(`${name}.toolkit.fluxcd.io`, everything, everything),
    ),
    ...(shapes.sourceWatcher ? [rule(sourceWatcherGroup, everything, everything)] : []),
    rule("", ["namespaces", "secrets", "configmaps", "serviceaccounts"], readVerbs),
    rule("", ["events"], ["create", "patch"]),
    rule("", ["configmaps"], allVerbs),
    rule("", ["configmaps/status"], ["get", "update", "patch"]),
    rule("coordination.k8s.io", ["leases"], allVerbs),
    ...(shapes.serviceAccountTokens ? [rule("", ["serviceaccounts/token"], ["create"])] : []),
    ...(shapes.livenessPing ? [{ nonResourceURLs: ["/livez/ping"], verbs: ["head"] }] : []),
  ];
}

function aggregatedRule(shapes: Shapes, verbs: readonly string[]): JsonObject {
  return {
    apiGroups: [
      "notification.toolkit.fluxcd.io",
      "source.toolkit.fluxcd.io",
      ...(shapes.sourceWatcherAggregation ? [sourceWatcherGroup] : []),
      "helm.toolkit.fluxcd.io",
      "image.toolkit.fluxcd.io",
      "kustomize.toolkit.fluxcd.io",
    ],
    resources: everything,
    verbs,
  };
}

function rule(apiGroup: string, resources: readonly string[], verbs: readonly string[]): JsonObject {
  return { apiGroups: [apiGroup], resources, verbs };
}

function aggregateTo(...roles: readonly string[]): { readonly [key: string]: string } {
  return Object.fromEntries(roles.map((role) => [`${rbacGroup}/aggregate-to-${role}`, "true"]));
}

function clusterRole(
  name: string,
  { labels, rules }: { readonly labels?: { readonly [key: string]: string }; readonly rules: readonly JsonObject[] },
): KubeObject {
  return {
    apiVersion: `${rbacGroup}/v1`,
    kind: "ClusterRole",
    metadata: { name, ...(labels === undefined ? {} : { labels }) },
    rules,
  };
}

function clusterRoleBinding(
  name: string,
  { role, serviceAccounts }: { readonly role: string; readonly serviceAccounts: readonly string[] },
): KubeObject {
  return {
    apiVersion: `${rbacGroup}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef: { apiGroup: rbacGroup, kind: "ClusterRole", name: role },
    subjects: serviceAccounts.map((account) => ({ kind: "ServiceAccount", name: account, namespace: "flux-system" })),
  };
}
