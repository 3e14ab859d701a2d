import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { outcomeAnnotation } from "../../scripts/control-plane/stages.ts";
import { textOf } from "../../src/kube/fields.ts";
import { serviceKind } from "../../src/kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { condition, isReady, namespace, startFluxCluster, type FluxCluster } from "../support/flux-cluster.ts";

let cluster: FluxCluster;
before(async () => {
  cluster = await startFluxCluster();
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

const never = new AbortController().signal;

type Line = JsonObject & { readonly level: string; readonly msg: string };

/** Lines of the instance's reconciles that have not been read yet, debug aside. */
let read = 0;
function linesSince(): readonly Line[] {
  const lines = cluster.operator
    .log()
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => line["controller"] === "fluxinstance");
  const since = lines.slice(read);
  read = lines.length;
  return since;
}

async function until(says: string): Promise<readonly Line[]> {
  const found: Line[] = [];
  const deadline = AbortSignal.timeout(60_000);
  while (!found.some(({ msg }) => msg === says)) {
    if (deadline.aborted) throw new Error(`"${says}" was never said, but ${JSON.stringify(found, undefined, 1)}`);
    found.push(...linesSince());
    await systemClock.sleep(20, never);
  }
  return found;
}

function instance(patches: readonly JsonObject[] = []): JsonObject {
  return {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace },
    spec: {
      distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" },
      components: ["source-controller"],
      kustomize: { patches },
    },
  };
}

/** "info Object created": how a line begins, and how often lines of one beginning follow each other. */
function shortOf(lines: readonly Line[]): readonly string[] {
  const texts = lines.map(({ level, msg }) => `${level} ${msg}`);
  return texts.filter((text, index) => text !== texts[index - 1]);
}

const broken = {
  target: { kind: "Deployment" },
  patch: `- op: add\n  path: /spec/template/metadata/annotations\n  value: { ${outcomeAnnotation}: crash-loop }\n- op: add\n  path: /spec/template/spec/containers/0/env/-\n  value: { name: BROKEN, value: "1" }\n`,
};
const isBack = (object: KubeObject): boolean =>
  condition(object, "UpToDate")?.startsWith("False/UpgradeFailed") === true;

describe("the log tells", { concurrency: 1 }, () => {
  test("an installation: its begin, every object and its end, with the fields of controller-runtime", async () => {
    await cluster.apply(instance());
    await cluster.instanceWhen("ready", isReady);
    const lines = await until("Reconciled");
    assert.deepEqual(shortOf(lines), [
      "info Installing Flux 2.9.4",
      "info Object created",
      "info Object configured",
      "info Object created",
      "info Reconciled",
    ]);
    const [first] = lines;
    const last = lines.at(-1);
    assert.ok(last !== undefined);
    const { ts: _, ms: __, reconcileID, created, configured, revision, ...fields } = last;
    assert.deepEqual(fields, {
      level: "info",
      msg: "Reconciled",
      controller: "fluxinstance",
      namespace,
      name: "flux",
      decision: "install",
      version: "2.9.4",
    });
    // The namespace was there.
    assert.equal(configured, 1);
    assert.equal(created, lines.filter(({ msg }) => msg === "Object created").length);
    assert.equal(revision, first?.["revision"]);
    assert.ok(lines.every((line) => line["reconcileID"] === reconcileID));
  });

  test("drift: the object that was repaired", async () => {
    await cluster.plane.rest.delete(`/api/v1/namespaces/${namespace}/services/source-controller`);
    await cluster.objectWhen(serviceKind, "there", ({ metadata }) => metadata.name === "source-controller");
    const lines = await until("Reconciled");
    assert.deepEqual(
      lines.map(({ level, msg, object, decision }) => ({ level, msg, object, decision })),
      [
        { level: "info", msg: "Object created", object: `Service/${namespace}/source-controller`, decision: "settle" },
        { level: "info", msg: "Reconciled", object: undefined, decision: "settle" },
      ],
    );
  });

  test("nothing of a reconcile that found nothing to do, unless it was asked for by hand", async () => {
    await cluster.reconcile();
    assert.deepEqual(shortOf(await until("Reconciled")), ["info Reconciled"]);
  });

  test("an upgrade that fails: why, what follows, and the rollback", async () => {
    await cluster.apply(instance([broken]));
    await cluster.instanceWhen("rolled back", isBack);
    const lines = await until("Reconciled");
    const failed = lines.find(({ level }) => level === "error");
    assert.ok(failed !== undefined);
    const { decision, reason, next, error } = failed;
    assert.deepEqual(
      { decision, reason, next },
      { decision: "upgrade", reason: "HealthCheckFailed", next: "rollback" },
    );
    assert.match(textOf(error), /source-controller: container manager crashes/);
    assert.deepEqual(
      shortOf(lines).filter((text) => text !== "info Waiting"),
      [
        "info Applying a new configuration of Flux 2.9.4",
        "info Object configured",
        "error Reconcile failed",
        "info Rolling back to Flux 2.9.4 after Flux 2.9.4 has failed",
        "info Object configured",
        "info Reconciled",
      ],
    );
  });

  test("an uninstall: each phase and each object that is deleted", async () => {
    await cluster.plane.rest.delete(`/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`);
    const lines = await until("Reconciled");
    assert.deepEqual(
      shortOf(lines).filter((text) => text !== "info Waiting"),
      [
        "info Removing Flux 2.9.4; workloads stay",
        "info Stopping Flux's controllers",
        "info Object deleted",
        "info Removing Flux's finalizer from custom resources",
        "info Deleting Flux's CRDs",
        "info Object deleted",
        "info Deleting the rest of Flux",
        "info Object deleted",
        "info Waiting until all of Flux is deleted",
        "info Flux 2.9.4 is removed; workloads stay. Left in the cluster: Namespace/flux-system",
        "info Reconciled",
      ],
    );
  });
});
