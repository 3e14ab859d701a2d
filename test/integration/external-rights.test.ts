import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { rolesForOthers } from "../../scripts/manifests/instance.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import type { ControlPlane } from "../support/control-plane.ts";
import { isReady, namespace, startFluxCluster, type FluxCluster } from "../support/flux-cluster.ts";
import { applyFile, connectAsOperator } from "../support/installation.ts";

const folder = "packaging/external-rbac";
const rbac = "/apis/rbac.authorization.k8s.io/v1";
let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster({ kubeconfig: install });
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

async function install(plane: ControlPlane): Promise<string> {
  const { complaints } = await applyFile(plane, folder);
  assert.equal(complaints, "");
  return await connectAsOperator(plane);
}

/** Name and resourceVersion of the cluster roles and bindings that others write. */
async function roles(): Promise<readonly string[]> {
  const live = await Promise.all(
    rolesForOthers().map(({ kind, metadata }) =>
      cluster.plane.rest.get(`${rbac}/${kind.toLowerCase()}s/${metadata.name}`),
    ),
  );
  return live.map((object) => `${nameObject(object)}@${object.metadata.resourceVersion}`);
}

describe(
  "an operator that may write no cluster role, in a cluster where others have written those of Flux",
  { concurrency: 1 },
  () => {
    let written: readonly string[];

    test("installs Flux, and leaves the roles as they are", async () => {
      written = await roles();
      const { complaints } = await applyFile(cluster.plane, `${folder}/instance.yaml`);
      assert.equal(complaints, "");
      await cluster.instanceWhen("ready", isReady);
      assert.deepEqual(await roles(), written);
    });

    test("uninstalls Flux, and leaves the roles as they are", async () => {
      await cluster.plane.rest.delete(`/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`);
      await cluster.gone(`FluxInstance/${namespace}/flux`);
      await cluster.gone("CustomResourceDefinition/helmreleases.helm.toolkit.fluxcd.io");
      assert.deepEqual(await roles(), written);
    });
  },
);
