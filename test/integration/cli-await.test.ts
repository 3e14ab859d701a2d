import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { runInProcess } from "../support/run-cli.ts";

const path = "/apis/fluxcd.controlplane.io/v1/namespaces/flux-system/fluxinstances";
const instancePath = `${path}/flux`;
let plane: ControlPlane;

before(async () => {
  plane = await startControlPlane({ variant: "light" });
  await plane.rest.create("/api/v1/namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "flux-system" },
  });
});
after(() => plane.stop());

const cli = (verb: "wait" | "delete", ...args: readonly string[]) =>
  runInProcess([verb, "instance", ...args, "--kubeconfig", plane.kubeconfigPath]);

async function create(finalizers: readonly string[]): Promise<void> {
  const distribution = { version: "2.9.x", registry: "ghcr.io/fluxcd" };
  const metadata = { name: "flux", namespace: "flux-system", finalizers: [...finalizers] };
  await plane.rest.create(path, {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata,
    spec: { distribution },
  });
}

/** Plays the operator. */
const write = (ready: JsonObject) =>
  plane.rest.patch(`${instancePath}/status`, {
    status: {
      conditions: [
        { type: "Ready", lastTransitionTime: "2026-01-01T00:00:00Z", observedGeneration: 1, message: "-", ...ready },
      ],
    },
  });

test("delete instance ends with 0 where the API server does not know the kind", async () => {
  assert.deepEqual(await cli("delete"), {
    exitCode: 0,
    stdout: "FluxInstance flux-system/flux is not there: nothing to delete\n",
    stderr: "",
  });
});

test("wait instance and delete instance tell what they wait for", async (context) => {
  await plane.rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fluxInstanceCrd());

  await context.test("wait ends with 1 when there is no instance in time", async () => {
    assert.deepEqual(await cli("wait", "--timeout", "1500ms"), {
      exitCode: 1,
      stdout: "",
      stderr:
        "FluxInstance flux-system/flux is not there\n" +
        "error: Timed out after 1.5s: FluxInstance flux-system/flux is not there\n",
    });
  });

  await context.test("wait ends with 0 as soon as the instance becomes ready", async () => {
    await create(["fluxcd.controlplane.io/finalizer"]);
    await write({ status: "Unknown", reason: "Progressing", message: "Installing" });
    const waited = cli("wait", "flux", "-n", "flux-system");
    setTimeout(() => void write({ status: "True", reason: "ReconciliationSucceeded", message: "Installed" }), 1_500);
    assert.deepEqual(await waited, {
      exitCode: 0,
      stdout: "FluxInstance flux-system/flux is ready: Installed\n",
      stderr: "FluxInstance flux-system/flux is not ready: Progressing: Installing\n",
    });
  });

  await context.test("wait ends with 1 and the reason when a permission is missing", async () => {
    const kubeconfig = await plane.kubeconfigFor({ user: "guest" });
    const { exitCode, stderr } = await runInProcess(["wait", "instance", "--kubeconfig", kubeconfig]);
    assert.equal(exitCode, 1);
    assert.match(stderr, /^error: Cannot get FluxInstance.*flux: .*forbidden: User "guest" cannot get/);
  });

  await context.test("delete ends with 1 and what holds it up when the time is over", async () => {
    await write({ status: "False", reason: "UninstallFailed", message: "Deleting CRDs: forbidden" });
    assert.deepEqual(await cli("delete", "--timeout=2500ms"), {
      exitCode: 1,
      stdout: "",
      stderr:
        "FluxInstance flux-system/flux is being deleted\n" +
        "FluxInstance flux-system/flux is being deleted: Deleting CRDs: forbidden\n" +
        "error: Timed out after 2.5s: FluxInstance flux-system/flux is being deleted: Deleting CRDs: forbidden\n",
    });
  });

  await context.test("delete waits for a deletion that has begun before", async () => {
    await write({ status: "Unknown", reason: "Uninstalling", message: "Deleting CRDs" });
    const deleted = cli("delete");
    setTimeout(() => void plane.rest.patch(instancePath, { metadata: { finalizers: null } }), 1_500);
    assert.deepEqual(await deleted, {
      exitCode: 0,
      stdout: "FluxInstance flux-system/flux is deleted\n",
      stderr: "FluxInstance flux-system/flux is being deleted: Deleting CRDs\n",
    });
  });
});

for (const { args, says } of [
  { args: ["--timeout", "soon"], says: /option '--timeout <duration>' argument 'soon' is invalid. Write a duration/ },
  { args: ["--timeout=0s"], says: /argument '0s' is invalid. Write a duration such as 90s or 5m/ },
])
  test(`wait instance ${args.join(" ")} ends with 1 and says what to write`, async () => {
    const { exitCode, stderr } = await cli("wait", ...args);
    assert.equal(exitCode, 1);
    assert.match(stderr, says);
  });
