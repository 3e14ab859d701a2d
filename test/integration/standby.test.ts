import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { startOperator, type OperatorProcess } from "../../scripts/quickstart/operator-process.ts";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { freePort } from "../support/flux-process.ts";
import { connectAsOperator, forbiddenRequests, grantRights } from "../support/installation.ts";

const leasePath = "/apis/coordination.k8s.io/v1/namespaces/flux-system/leases/flux-operator";

let plane: ControlPlane;
let kubeconfigPath: string;
const operators: Operator[] = [];

before(async () => {
  plane = await startControlPlane({ variant: "light" });
  await plane.rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fluxInstanceCrd());
  await plane.rest.create("/api/v1/namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "flux-system" },
  });
  await grantRights(plane);
  kubeconfigPath = await connectAsOperator(plane);
});
after(async () => {
  await Promise.all(operators.map((operator) => operator.stop("SIGKILL")));
  const forbidden = forbiddenRequests(await plane.auditEvents());
  await plane.stop();
  assert.deepEqual(forbidden, []);
});

type Operator = OperatorProcess & { readonly healthUrl: string };

/** As the pod of a Deployment: with probes that somebody can ask. */
async function start(...more: readonly string[]): Promise<Operator> {
  return startAt(`127.0.0.1:${await freePort()}`, more);
}

function startAt(address: string, more: readonly string[], env: { readonly [name: string]: string } = {}): Operator {
  const args = [`--health-addr=${address}`, ...more];
  const operator = startOperator({ kubeconfigPath, folder: plane.folder, args, env });
  const started = { ...operator, healthUrl: `http://${address}` };
  operators.push(started);
  return started;
}

/** The status and the text of a probe; 0 while nobody listens. */
async function probe({ healthUrl }: Operator, path: string): Promise<readonly [number, string]> {
  try {
    const response = await fetch(`${healthUrl}${path}`, { signal: AbortSignal.timeout(2_000) });
    return [response.status, await response.text()];
  } catch {
    return [0, ""];
  }
}

async function eventually(holds: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  while (!(await holds())) {
    if (deadline.aborted) throw new Error(`it did not happen within a minute: ${what()}`);
    await systemClock.sleep(25, deadline).catch(() => undefined);
  }
}

async function isReady(operator: Operator): Promise<void> {
  let last: readonly [number, string] = [0, ""];
  await eventually(
    async () => {
      last = await probe(operator, "/readyz");
      return last[0] === 200;
    },
    () => `/readyz is ${last.join(" ")}\n${operator.log().slice(-5).join("\n")}`,
  );
}

async function holder(): Promise<string> {
  const { body } = await plane.rest.request("GET", leasePath);
  return textOf(fieldsOf(fieldsOf(body)["spec"])["holderIdentity"]) ?? "";
}

function leads(operator: Operator): boolean {
  return operator.log().some((line) => line.includes("Got the lease"));
}

test("an operator beside the one that leads is Ready, and leads within a second of its end", async () => {
  const old = await start();
  await isReady(old);
  const next = await start();
  await isReady(next);
  assert.deepEqual([leads(old), leads(next)], [true, false]);
  const exited = once(old.process, "exit");
  old.process.kill("SIGTERM");
  const [code] = await exited;
  const endedMs = performance.now();
  await eventually(
    () => leads(next),
    () => next.log().join("\n"),
  );
  const leaderlessMs = performance.now() - endedMs;
  assert.equal(code, 0);
  assert.ok(leaderlessMs < 1_000, `nobody led for ${leaderlessMs} ms`);
  await isReady(next);
  assert.deepEqual(await probe(next, "/healthz"), [200, "ok\n"]);
  await next.stop();
  assert.equal(await holder(), "", "the lease is given back");
});

test("an operator beside one that is killed leads when the lease is over, and not before", async () => {
  const lease = [
    "--leader-election-lease-duration=4s",
    "--leader-election-renew-deadline=3s",
    "--leader-election-retry-period=1s",
  ];
  const old = await start(...lease);
  await isReady(old);
  const next = await start(...lease);
  await isReady(next);
  assert.deepEqual([leads(old), leads(next)], [true, false]);
  await old.stop("SIGKILL");
  const killedMs = performance.now();
  await eventually(
    () => leads(next),
    () => next.log().join("\n"),
  );
  // The last renewal was at most a retry period and its jitter ago.
  assert.ok(performance.now() - killedMs > 2_000, "it waits for the lease of the one that was killed");
  await isReady(next);
  await next.stop();
});

test("a container that starts again in the pod of a leader that was killed leads without waiting for the lease", async () => {
  const lease = ["--leader-election-lease-duration=600s", "--leader-election-renew-deadline=598s"];
  const address = `127.0.0.1:${await freePort()}`;
  const pod = { RUNTIME_POD_UID: "8d3f6f3e-6f0c-4d5e-9c0f-6a5d0d6f2a11" };
  const old = startAt(address, lease, pod);
  await isReady(old);
  const other = await start(...lease);
  await isReady(other);
  await old.stop("SIGKILL");
  const again = startAt(address, lease, pod);
  await eventually(
    () => leads(again),
    () => again.log().join("\n"),
  );
  assert.equal(leads(other), false, "a pod that knows nothing of the other's end waits");
  await other.stop();
  await again.stop();
});
