import type { Component, SyncSpec } from "../api/spec.ts";
import { fieldsOf, listOf, textOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { nameObject } from "../kube/object-id.ts";
import { managerOf, podSpec } from "./deployment.ts";
import type { RenderContext } from "./draft.ts";
import { readField } from "./edit.ts";
import { notUnderstood, unknownShape } from "./errors.ts";
import { parseImage } from "./images.ts";
import { kindLists } from "./transforms/know-operator-kinds.ts";
import { officialNamespace } from "./transforms/name-roles.ts";
import { syncKinds } from "./transforms/sync.ts";

/** What the stages know how to name, place and bind, by the file of the release. An object of another kind could end in the wrong place. */
const knownKinds = {
  component: new Set([
    "apiextensions.k8s.io/v1 CustomResourceDefinition",
    "v1 ServiceAccount",
    "v1 Service",
    "v1 ConfigMap",
    "apps/v1 Deployment",
    "networking.k8s.io/v1 NetworkPolicy",
    "policy/v1 PodDisruptionBudget",
  ]),
  rbac: new Set([
    "v1 ResourceQuota",
    "rbac.authorization.k8s.io/v1 ClusterRole",
    "rbac.authorization.k8s.io/v1 ClusterRoleBinding",
    "rbac.authorization.k8s.io/v1 Role",
    "rbac.authorization.k8s.io/v1 RoleBinding",
  ]),
  policies: new Set(["networking.k8s.io/v1 NetworkPolicy"]),
};

/** Services by whose name controllers find each other, and CRDs that the operator's kinds are added to. */
const neededObjects: { readonly [component in Component]?: readonly string[] } = {
  "source-controller": ["Service/source-controller"],
  "source-watcher": ["Service/source-watcher"],
  "notification-controller": [
    "Service/notification-controller",
    ...Object.keys(kindLists).map((name) => `CustomResourceDefinition/${name}`),
  ],
};

/**
 * Looks for everything in the release that the stages rely on without an error of their own: a stage that finds nothing to change would leave a
 * controller misconfigured. Throws RenderError (NeedsNewerOperator) naming what is missing or not known.
 */
export function checkShapes(context: RenderContext): void {
  const { spec, release } = context;
  for (const component of spec.components) checkComponent(release.components[component] ?? [], component, context);
  checkKinds(release.rbac, "rbac", context);
  for (const object of release.rbac) checkSubjects(object, context);
  if (spec.cluster.networkPolicy) checkKinds(release.policies, "policies", context);
  if (spec.sync !== undefined) checkSync(spec.sync, context);
}

function checkComponent(objects: readonly KubeObject[], component: Component, context: RenderContext): void {
  const { version } = context.release;
  checkKinds(objects, "component", context);
  const names = new Set(objects.map(nameObject));
  const needed = [`ServiceAccount/${component}`, `Deployment/${component}`, ...(neededObjects[component] ?? [])];
  const missing = needed.find((name) => !names.has(name));
  if (missing !== undefined) throw notUnderstood(version, component, missing);
  for (const object of objects) if (object.kind === "Deployment") checkPod(object, component, version);
}

function checkKinds(objects: readonly KubeObject[], file: keyof typeof knownKinds, { release }: RenderContext): void {
  const unknown = objects.find(({ apiVersion, kind }) => !knownKinds[file].has(`${apiVersion} ${kind}`));
  if (unknown === undefined) return;
  throw unknownShape(
    release.version,
    `${nameObject(unknown)} is of a kind not seen there, ${unknown.apiVersion} ${unknown.kind}`,
  );
}

/** The ServiceAccount carries the identity, and every container must have an image that can be moved to another registry and pinned. */
function checkPod(object: KubeObject, component: Component, version: string): void {
  const manager = managerOf(object);
  if (manager === undefined) throw notUnderstood(version, nameObject(object), "container manager");
  const account = readField(object, [...podSpec, "serviceAccountName"]);
  if (account !== undefined && account !== component) {
    throw unknownShape(version, `${nameObject(object)} runs as ServiceAccount/${textOf(account)}`);
  }
  const { repository } = parseImage(textOf(manager["image"]));
  const containers = ["containers", "initContainers"].flatMap((list) => listOf(readField(object, [...podSpec, list])));
  const foreign = containers.map(imageOf).find((image) => parseImage(image).repository !== repository);
  if (foreign === undefined) return;
  throw unknownShape(version, `${nameObject(object)} has a container of another image, "${foreign}"`);
}

function imageOf(container: JsonValue): string {
  return textOf(fieldsOf(container)["image"]);
}

/** ServiceAccounts of another namespace would keep their permissions there and get none here. */
function checkSubjects(object: KubeObject, { release }: RenderContext): void {
  const accounts = listOf(object["subjects"])
    .map(fieldsOf)
    .filter(({ kind }) => kind === "ServiceAccount");
  const foreign = accounts.find(({ namespace }) => namespace !== officialNamespace);
  if (foreign === undefined) return;
  const account = `ServiceAccount/${textOf(foreign["namespace"])}/${textOf(foreign["name"])}`;
  throw unknownShape(release.version, `${nameObject(object)} binds ${account}`);
}

/** Controllers that are not installed are not checked, since nothing is known of them. */
function checkSync(sync: SyncSpec, { spec, release }: RenderContext): void {
  const objects = spec.components.flatMap((component) => release.components[component] ?? []);
  for (const { component, group, version, kind } of syncKinds(sync, release.version)) {
    if (!spec.components.includes(component)) continue;
    const crd = objects.map(crdSpec).find((crd) => crd["group"] === group && fieldsOf(crd["names"])["kind"] === kind);
    const served = listOf(crd?.["versions"])
      .map(fieldsOf)
      .some(({ name, served }) => name === version && served === true);
    if (!served) throw notUnderstood(release.version, component, `served ${group}/${version} ${kind}`);
  }
}

function crdSpec(object: KubeObject): JsonObject {
  return object.kind === "CustomResourceDefinition" ? fieldsOf(object["spec"]) : {};
}
