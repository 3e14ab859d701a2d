// Tests: test/rights.test.ts
import { installer } from "../../../api/installer.ts";
import { isRecreatable, trialName } from "../../../apply/write/recreate.ts";
import type { Right } from "./right.ts";
import type { Rendered, RenderedKind, Resource } from "./rendered.ts";

const rbacGroup = "rbac.authorization.k8s.io";

/**
 * Server-side apply needs both: `create` where the object is absent. Unlike that of a POST it can be held to names. Source: apiserver
 * endpoints/handlers/patch.go, Kubernetes 1.30 and later.
 */
const applyVerbs = ["create", "patch"];

/** Rights on what is rendered: on kinds without a namespace by name, on the others within the operator's namespace. */
export function renderedRights(rendered: Rendered): readonly Right[] {
  const foundation = rendered.kinds.filter(({ group }) => !isFlux(group, rendered));
  const sync = rendered.kinds.filter(({ group }) => isFlux(group, rendered));
  return [
    ...foundation.filter(({ namespaced }) => !namespaced).flatMap(clusterWide),
    ...roleRights(rendered),
    ...customResourceRights(rendered.defined),
    ...[
      ...Map.groupBy(
        foundation.filter(({ namespaced }) => namespaced),
        ({ group }) => group,
      ),
    ].map(within),
    ...[...Map.groupBy(sync, ({ group }) => group)].map(([group, kinds]): Right => ({
      scope: "namespace",
      group,
      resources: kinds.map(({ plural }) => plural),
      verbs: ["watch", "create", "delete"],
      why: "applies, watches and prunes the objects of `spec.sync`; reads and patches them by the rule for custom resources",
    })),
  ];
}

function isFlux(group: string, { defined }: Rendered): boolean {
  return defined.some((kind) => kind.group === group);
}

/** `list` and `watch` cannot be held to names that are not asked for one by one. */
function clusterWide({ group, kind, plural, names }: RenderedKind): readonly Right[] {
  const why = `applies, repairs and removes what it renders of ${kind}`;
  return [
    {
      scope: "cluster",
      group,
      resources: [plural],
      verbs: ["list", "watch"],
      why: `sees drift of what it renders of ${kind}, by the labels of the instance`,
    },
    kind === "Namespace"
      ? namespaceRight(names)
      : { scope: "cluster", group, resources: [plural], names, verbs: ["get", ...applyVerbs, "delete"], why },
    ...(kind === "CustomResourceDefinition" ? [storedVersionsRight(names)] : []),
    ...(isRecreatable({ group, kind }) ? [trialRight({ group, kind, plural, names })] : []),
  ];
}

function namespaceRight(names: readonly string[]): Right {
  return {
    scope: "cluster",
    group: "",
    resources: ["namespaces"],
    names,
    verbs: ["get", "patch"],
    why: "labels its own namespace, and tells when that is being deleted; neither creates nor deletes it",
  };
}

function trialRight({ group, kind, plural, names }: Omit<RenderedKind, "namespaced">): Right {
  return {
    scope: "cluster",
    group,
    resources: [plural],
    names: names.map((name) => trialName(name, installer)),
    verbs: applyVerbs,
    optional: applyVerbs,
    why: `tries a ${kind} under another name, by a dry-run, before it recreates one whose immutable fields differ`,
  };
}

function storedVersionsRight(names: readonly string[]): Right {
  return {
    scope: "cluster",
    group: "apiextensions.k8s.io",
    resources: ["customresourcedefinitions/status"],
    names,
    verbs: ["patch"],
    why: "takes a version that is no longer stored from `status.storedVersions`, before a release drops it",
  };
}

/** What lets the operator write roles with rights that it has not itself. */
function roleRights({ kinds, boundRoles }: Rendered): readonly Right[] {
  const roles = kinds.filter(({ group, kind }) => group === rbacGroup && kind === "ClusterRole");
  const because =
    "the API server asks for it while it writes a role or a binding, and its audit log does not show that";
  return [
    {
      scope: "cluster",
      group: rbacGroup,
      resources: ["clusterroles"],
      names: roles.flatMap(({ names }) => names),
      verbs: ["escalate"],
      why: "writes the roles of Flux's controllers, which may do more than it may itself",
      unseen: { verbs: ["escalate"], because },
    },
    {
      scope: "cluster",
      group: rbacGroup,
      resources: ["clusterroles"],
      names: boundRoles,
      verbs: ["bind"],
      why: "binds these roles to Flux's controllers; this is what makes kustomize-controller and helm-controller cluster-admin",
      unseen: { verbs: ["bind"], because },
    },
  ];
}

function customResourceRights(defined: readonly Resource[]): readonly Right[] {
  return [...Map.groupBy(defined, ({ group }) => group)].map(([group, kinds]): Right => ({
    scope: "cluster",
    group,
    resources: kinds.map(({ plural }) => plural),
    verbs: ["get", "list", "patch"],
    why: "looks for custom resources that a change or a removal of Flux concerns, rewrites them in another storage version, and takes Flux's finalizer off them",
    unseen: {
      verbs: ["get"],
      because: "it is asked again where another client writes the same object at the same moment",
    },
  }));
}

function within([group, kinds]: readonly [string, readonly RenderedKind[]]): Right {
  return {
    scope: "namespace",
    group,
    resources: kinds.map(({ plural }) => plural),
    verbs: ["get", "list", "watch", ...applyVerbs, "delete"],
    why: `applies, watches, repairs and removes what it renders of ${kinds.map(({ kind }) => kind).join(", ")}; shards and users name them, so no names stand here`,
  };
}
