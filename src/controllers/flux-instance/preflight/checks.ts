// Tests: test/integration/preflight.test.ts
import { fluxInstance } from "../../../api/names.ts";
import { requestLimit } from "../../../apply/request.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { listAll } from "../../../client/pages.ts";
import type { GroupVersionKind } from "../../../kube/gvk.ts";
import { claimKind, namespaceKind, secretKind } from "../../../kube/kinds.ts";
import { keyOf } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { listFluxControllers } from "../flux-controllers.ts";
import {
  claimsOf,
  classOf,
  judgeClaims,
  judgeKubernetes,
  judgeNamespace,
  judgePullSecret,
  judgeStorageClasses,
} from "./cluster.ts";
import { judgeDeletions, judgeWaitingDeletions, kindsWaitingForController } from "./deletions.ts";
import { judgeInstallations, judgeKustomizations, judgeOperatorKinds, kustomizationsOf } from "./installations.ts";
import { judgeQuotas } from "./quota.ts";
import { findMissing, judgeRights } from "./rights.ts";
import { judgeSizes } from "./sizes.ts";
import { isBeingDeleted, type Finding, type Subject } from "./subject.ts";

/** The requests that the checks make. */
export type PreflightClient = Pick<ApiClient, "getOrUndefined" | "listPage" | "review" | "serverVersion" | "discovery">;
type Look<Fact> = (subject: Subject, client: PreflightClient, signal: AbortSignal) => Promise<Fact>;

/** One thing that is checked before the first write. Its name completes the warning "could not check". */
type Check<Fact> = {
  readonly name: string;
  /** Whether the plan needs it at all. */
  readonly when: (subject: Subject) => boolean;
  readonly look: Look<Fact>;
  readonly judge: (fact: Fact, subject: Subject) => readonly Finding[];
};
type Row = Pick<Check<unknown>, "name" | "when"> & { readonly check: Look<readonly Finding[]> };

function row<Fact>({ name, when, look, judge }: Check<Fact>): Row {
  return { name, when, check: async (subject, client, signal) => judge(await look(subject, client, signal), subject) };
}

const always = (): boolean => true;
const quotaKind: GroupVersionKind = { group: "", version: "v1", kind: "ResourceQuota" };
const kustomizationKind = { group: "kustomize.toolkit.fluxcd.io", kind: "Kustomization" };
const storageClassKind: GroupVersionKind = { group: "storage.k8s.io", version: "v1", kind: "StorageClass" };

/** All checks, in the order of their findings. docs/preflight.md describes them to users. */
export const checks: readonly Row[] = [
  row({
    name: "the Kubernetes version",
    when: always,
    look: (_subject, client, signal) => client.serverVersion(signal),
    judge: judgeKubernetes,
  }),
  row({
    name: "its own rights",
    when: always,
    look: findMissing,
    judge: judgeRights,
  }),
  row({
    name: "the namespace",
    when: always,
    look: ({ world }, client, signal) =>
      client.getOrUndefined(namespaceKind, { namespace: "", name: world.key.namespace }, signal),
    judge: judgeNamespace,
  }),
  row({
    name: "the size of what is recorded",
    when: always,
    look: async () => undefined,
    judge: (_fact, subject) => judgeSizes(subject),
  }),
  row({
    name: "objects under deletion",
    when: always,
    look: async () => undefined,
    judge: (_fact, subject) => judgeDeletions(subject),
  }),
  row({
    name: "objects whose deletion a controller would end",
    when: (subject) => kindsWaitingForController(subject).length > 0,
    look: async (subject, client, signal) => {
      const kinds = kindsWaitingForController(subject);
      const lists = await mapConcurrent(kinds, requestLimit, (kind) => leaving(kind, client, signal));
      return lists.flat();
    },
    judge: judgeWaitingDeletions,
  }),
  row({
    name: "resource quotas",
    when: ({ planned }) => planned.some(({ object, action }) => object.kind === "Deployment" && action !== "unchanged"),
    look: ({ world }, client, signal) => listAll(quotaKind, { namespace: world.key.namespace }, client, signal),
    judge: judgeQuotas,
  }),
  row({
    name: "storage classes",
    when: (subject) => classesOf(subject).length > 0,
    look: async (subject, client, signal) => {
      const found = await mapConcurrent(classesOf(subject), requestLimit, async (name) =>
        (await client.getOrUndefined(storageClassKind, { namespace: "", name }, signal)) === undefined ? [name] : [],
      );
      return found.flat();
    },
    judge: judgeStorageClasses,
  }),
  row({
    name: "claims that exist",
    when: (subject) => claimsOf(subject).length > 0,
    look: async (subject, client, signal) => {
      const found = await mapConcurrent(claimsOf(subject), requestLimit, (claim) =>
        client.getOrUndefined(claimKind, keyOf(claim), signal),
      );
      return found.filter((claim) => claim !== undefined);
    },
    judge: judgeClaims,
  }),
  row({
    name: "the image pull secret",
    when: ({ target }) => target.spec.distribution.imagePullSecret !== undefined,
    look: ({ target, world }, client, signal) => {
      const name = target.spec.distribution.imagePullSecret ?? "";
      return client.getOrUndefined(secretKind, { namespace: world.key.namespace, name }, signal);
    },
    judge: judgePullSecret,
  }),
  row({
    name: "other installations of Flux",
    when: always,
    look: (_subject, client, signal) => listFluxControllers(client, signal),
    judge: judgeInstallations,
  }),
  row({
    name: "Kustomizations that apply Flux",
    when: (subject) => kustomizationsOf(subject).length > 0,
    look: async (subject, client, signal) => {
      const kind = await client.discovery.findPreferred(kustomizationKind, signal);
      if (kind === undefined) return [];
      const found = await mapConcurrent(kustomizationsOf(subject), requestLimit, (key) => {
        const [namespace = "", name = ""] = key.split("/");
        return client.getOrUndefined(kind, { namespace, name }, signal);
      });
      return found.filter((object) => object !== undefined);
    },
    judge: judgeKustomizations,
  }),
  row({
    name: "objects of other kinds of the group",
    when: always,
    look: async (_subject, client, signal) => {
      const served = await client.discovery.resourcesOf(fluxInstance.group, signal);
      const kinds = served.filter(({ kind }) => kind !== fluxInstance.kind);
      const found = await mapConcurrent(kinds, requestLimit, async (kind) => {
        const { items } = await client.listPage(kind, { pageSize: 1, metadataOnly: true }, signal);
        return items.length === 0 ? [] : [kind.kind];
      });
      return found.flat();
    },
    judge: judgeOperatorKinds,
  }),
];

function classesOf({ planned }: Subject): readonly string[] {
  return [...new Set(planned.map(({ object }) => classOf(object)))].filter((name) => name !== "");
}

async function leaving(
  kind: GroupVersionKind,
  client: PreflightClient,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  return (await listAll(kind, { metadataOnly: true }, client, signal)).filter(isBeingDeleted);
}
