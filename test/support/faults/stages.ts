import type { SeenRequest } from "../wire-proxy.ts";

/** What is done in one turn on a plane, one after another: each begins with what the one before has left. */
export type Change = "install" | "upgrade" | "uninstall";

/** A part of the law of act, told from the rest by the requests that it makes. */
export type Stage = {
  readonly name: string;
  readonly during: Change;
  /** Whether it reads only. */
  readonly reads?: boolean;
  /** Whether what fails in it keeps the instance from telling of it, or is tried again without an end of the reconcile. */
  readonly isSilent?: boolean;
  /** `before` is what the operator has asked for since the change began, this request last. */
  readonly is: (request: SeenRequest, before: readonly SeenRequest[]) => boolean;
};

const instance = /\/fluxinstances\/flux(\?|$)/;
const status = /\/fluxinstances\/flux\/status\?/;
const record = /\/configmaps\/flux-operator-last-good(\?|$)/;
const sources = /\/(gitrepositories|kustomizations)\/[^/]+\?/;

export const stages: readonly Stage[] = [
  { name: "take the finalizer", during: "install", is: writes(instance) },
  { name: "preflight", during: "install", reads: true, is: reads(/^\/apis\/apps\/v1\/deployments\?limit=/) },
  { name: "remember what is to come", during: "install", isSilent: true, is: writes(status) },
  { name: "apply CRDs", during: "install", is: writes(/\/customresourcedefinitions\/[^/]+\?/) },
  {
    name: "wait for CRDs",
    during: "install",
    isSilent: true,
    reads: true,
    is: reads(/\/customresourcedefinitions\?labelSelector=.*name%3D/),
  },
  { name: "apply the foundation", during: "install", is: writes(/\/(services|clusterroles|networkpolicies)\/[^/]+\?/) },
  { name: "apply the sync", during: "install", is: writes(sources) },
  {
    name: "conclude",
    during: "install",
    isSilent: true,
    is: (one, before) => writes(status)(one) && before.some(writes(record)),
  },
  { name: "gather", during: "upgrade", isSilent: true, reads: true, is: reads(instance) },
  {
    name: "look (dry-run)",
    during: "upgrade",
    is: ({ method, path }) => method === "PATCH" && /dryRun=All/.test(path),
  },
  {
    name: "bridge",
    during: "upgrade",
    is: (one, before) =>
      writes(/\/customresourcedefinitions\/[^/]+\?/)(one) &&
      !before.some(writes(/\/customresourcedefinitions\/[^/]+\/status\?/)),
  },
  {
    name: "move stored objects",
    during: "upgrade",
    is: ({ method, path }) => method === "PATCH" && path.includes("fieldManager=flux-operator-migration"),
  },
  { name: "trim stored versions", during: "upgrade", is: writes(/\/customresourcedefinitions\/[^/]+\/status\?/) },
  { name: "apply controllers", during: "upgrade", is: writes(/\/deployments\/[^/]+\?/) },
  {
    name: "wait for health",
    during: "upgrade",
    isSilent: true,
    reads: true,
    is: reads(/\/(deployments|replicasets|pods)\?labelSelector=.*%3D/),
  },
  {
    name: "watch for health",
    during: "upgrade",
    isSilent: true,
    reads: true,
    is: reads(/\/deployments\?watch=true.*timeoutSeconds=300&/),
  },
  {
    name: "prune",
    during: "upgrade",
    is: ({ method, path }) => method === "DELETE" && path.includes("notification-controller"),
  },
  { name: "keep what is good", during: "upgrade", is: writes(record) },
  {
    name: "suspend",
    during: "uninstall",
    is: ({ method, path }) => method === "PATCH" && path.includes("fieldManager=flux-operator-removal"),
  },
  { name: "stop controllers", during: "uninstall", is: deletes(/\/deployments\//) },
  { name: "wait for pods", during: "uninstall", reads: true, is: reads(/\/pods\?limit=/) },
  {
    name: "take finalizers off",
    during: "uninstall",
    is: writes(/\/namespaces\/(apps|default)\/(gitrepositories|kustomizations)\//),
  },
  { name: "delete CRDs", during: "uninstall", is: deletes(/\/customresourcedefinitions\//) },
  { name: "delete the rest", during: "uninstall", is: deletes(/\/(services|clusterroles|networkpolicies)\//) },
  { name: "delete the record", during: "uninstall", is: deletes(record) },
  { name: "let the instance go", during: "uninstall", is: writes(instance) },
];

type Predicate = (request: SeenRequest) => boolean;

function writes(path: RegExp): Predicate {
  return (one) => one.method === "PATCH" && path.test(one.path) && !one.path.includes("dryRun=All");
}

function reads(path: RegExp): Predicate {
  return (one) => one.method === "GET" && path.test(one.path);
}

function deletes(path: RegExp): Predicate {
  return (one) => one.method === "DELETE" && path.test(one.path);
}
