import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalInstance } from "../../src/api/canonical.ts";
import { parseFluxInstance } from "../../src/api/flux-instance.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { managerOf } from "../../src/render/deployment.ts";
import { readField } from "../../src/render/edit.ts";
import { targetOf } from "../../src/render/target.ts";

/** What the reference cases vary one by one, all at once: newest release of each minor, in a namespace and domain of its own. */
type Combination = {
  readonly version: string;
  readonly minor: number;
  readonly notification: boolean;
  readonly watcher: boolean;
  readonly identity: "none" | "object" | "tenants";
  readonly storage: "none" | "main" | "shards";
  readonly type: "kubernetes" | "openshift";
};

const minorOf = (version: string): number => Number(version.split(".")[1]);
const newest = [...new Map(embeddedVersions.map((version) => [minorOf(version), version])).values()];
const combinations: readonly Combination[] = newest.flatMap((version) => {
  const minor = minorOf(version);
  const identities = (["none", "object", "tenants"] as const).slice(0, minor < 6 ? 1 : minor < 7 ? 2 : 3);
  return [false, true].flatMap((notification) =>
    (minor < 7 ? [false] : [false, true]).flatMap((watcher) =>
      identities.flatMap((identity) =>
        (["none", "main", "shards"] as const).flatMap((storage) =>
          (["kubernetes", "openshift"] as const).map((type): Combination => ({
            version,
            minor,
            notification,
            watcher,
            identity,
            storage,
            type,
          })),
        ),
      ),
    ),
  );
});

function rendered({ version, notification, watcher, identity, storage, type }: Combination): readonly KubeObject[] {
  const components = ["source", "kustomize", "helm", ...(notification ? ["notification"] : [])].map(
    (name) => `${name}-controller`,
  );
  const spec = {
    distribution: { version, registry: "ghcr.io/fluxcd", imagePullSecret: "pull" },
    components: [
      ...components,
      "image-reflector-controller",
      "image-automation-controller",
      ...(watcher ? ["source-watcher"] : []),
    ],
    cluster: {
      type,
      domain: "corp.local",
      size: "medium",
      multitenant: true,
      objectLevelWorkloadIdentity: identity !== "none",
      multitenantWorkloadIdentity: identity === "tenants",
    },
    sharding: { shards: ["a", "b"], storage: storage === "shards" ? "persistent" : "ephemeral" },
    ...(storage !== "none" && { storage: { class: "standard", size: "1Gi" } }),
    commonMetadata: { labels: { team: "x" } },
    sync: { kind: "Bucket", url: "minio:9000", ref: "fleet", path: "./" },
  };
  const metadata = { name: "flux", namespace: "gitops" };
  const instance = parseFluxInstance({ apiVersion: "fluxcd.controlplane.io/v1", kind: "FluxInstance", metadata, spec });
  return targetOf(canonicalInstance(instance), { versions: embeddedVersions, load: (wanted) => loadRelease(wanted) })
    .rendering.objects;
}

const argsOf = (object: KubeObject): readonly string[] => listOf(managerOf(object)?.["args"]).map(textOf);
const isShard = ({ metadata }: KubeObject): boolean => metadata.annotations?.["sharding.fluxcd.io/role"] === "shard";
const deployments = (objects: readonly KubeObject[]) => objects.filter(({ kind }) => kind === "Deployment");
const starts = (object: KubeObject, ...names: readonly string[]) =>
  names.some((name) => object.metadata.name.startsWith(name));
const shardedSince = (object: KubeObject, minor: number) =>
  !starts(object, "notification-controller") && (minor >= 9 || !starts(object, "source-watcher"));
const podSpecOf = (object: KubeObject): JsonObject => fieldsOf(readField(object, ["spec", "template", "spec"]));

const claimsOf = (object: KubeObject): readonly string[] =>
  listOf(podSpecOf(object)["volumes"])
    .map((volume) => fieldsOf(fieldsOf(volume)["persistentVolumeClaim"])["claimName"])
    .filter((name) => name !== undefined)
    .map(textOf);
const asks = (role: KubeObject): boolean => JSON.stringify(role["rules"]).includes("serviceaccounts/token");

/** Flags that may stand twice: the last address wins, gates are merged. */
const mayRepeat = new Set(["--storage-adv-addr", "--feature-gates"]);
const repeats = (object: KubeObject): boolean => {
  const flags = argsOf(object)
    .map((arg) => arg.split("=")[0] ?? "")
    .filter((flag) => !mayRepeat.has(flag));
  return new Set(flags).size !== flags.length;
};

/** Each gives back the names of the objects that break it. */
const promises: {
  readonly [promise: string]: (objects: readonly KubeObject[], combination: Combination) => readonly KubeObject[];
} = {
  "no object stands twice": (objects) => {
    const names = objects.map(nameObject);
    return objects.filter((object, index) => names.indexOf(nameObject(object)) !== index);
  },
  "nothing speaks of the official namespace": (objects) =>
    objects.filter((object) => JSON.stringify(object).includes("flux-system")),
  "everything has the common label": (objects) => objects.filter(({ metadata }) => metadata.labels?.["team"] !== "x"),
  "no flag stands twice": (objects) => deployments(objects).filter(repeats),
  "controllers send events to notification-controller, or nowhere": (objects, { notification }) => {
    const address = notification ? "http://notification-controller.gitops.svc.corp.local./" : "";
    return deployments(objects).filter(
      (object) => !starts(object, "notification-controller") && !argsOf(object).includes(`--events-addr=${address}`),
    );
  },
  "every sharded controller watches its own part": (objects, { minor }) =>
    deployments(objects).filter((object) => {
      const want = isShard(object)
        ? `--watch-label-selector=sharding.fluxcd.io/key=${object.metadata.name.slice(-1)}`
        : "--watch-label-selector=!sharding.fluxcd.io/key";
      return argsOf(object).includes(want) !== shardedSince(object, minor);
    }),
  "the last address of a shard is its own": (objects) =>
    deployments(objects).filter((object) => {
      const last = argsOf(object).findLast((arg) => arg.startsWith("--storage-adv-addr="));
      const own = `--storage-adv-addr=${object.metadata.name}.$(RUNTIME_NAMESPACE).svc.corp.local.`;
      return last !== undefined && last !== own;
    }),
  "every claim is there, and used only where it is asked for": (objects, { storage }) => {
    const all = ["source-controller", "source-controller-a", "source-controller-b"];
    const wanted = new Set(all.slice(0, storage === "none" ? 0 : storage === "main" ? 1 : 3));
    const claims = objects.filter(({ kind }) => kind === "PersistentVolumeClaim");
    const made = new Set(claims.map(({ metadata }) => metadata.name));
    const unasked = claims.filter(({ metadata }) => !wanted.has(metadata.name));
    const wrong = deployments(objects).filter((object) => {
      const { name } = object.metadata;
      const [used, second] = claimsOf(object);
      return (
        second !== undefined ||
        used !== (wanted.has(name) ? name : undefined) ||
        (used !== undefined && !made.has(used))
      );
    });
    return [...unasked, ...wrong];
  },
  "the sync source has the version that the release serves": (objects, { minor }) =>
    objects.filter(
      ({ apiVersion, kind }) =>
        kind === "Bucket" && apiVersion !== `source.toolkit.fluxcd.io/${minor < 6 ? "v1beta2" : "v1"}`,
    ),
  "OpenShift chooses users and seccomp itself": (objects, { type }) =>
    deployments(objects).filter((object) => {
      const security = fieldsOf(managerOf(object)?.["securityContext"]);
      const bare = podSpecOf(object)["securityContext"] === undefined && security["runAsNonRoot"] === undefined;
      return (bare && security["seccompProfile"] === undefined) !== (type === "openshift");
    }),
  "only identities of objects may ask for tokens": (objects, { identity, minor }) => {
    const roles = objects.filter(
      ({ kind, metadata }) => kind === "ClusterRole" && metadata.name === "crd-controller-gitops",
    );
    return roles.filter((role) => asks(role) !== (minor >= 6 && identity !== "none"));
  },
};

const renderings = combinations.map((combination) => ({ combination, objects: rendered(combination) }));

for (const [promise, broken] of Object.entries(promises)) {
  test(`in ${combinations.length} combinations, ${promise}`, () => {
    const failures = renderings.flatMap(({ combination, objects }) =>
      broken(objects, combination).map((object) => `${JSON.stringify(combination)} ${nameObject(object)}`),
    );
    assert.deepEqual(failures, []);
  });
}
