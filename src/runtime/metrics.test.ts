import assert from "node:assert/strict";
import { test } from "node:test";

import { createMetrics } from "./metrics.ts";

async function linesOf(metrics: ReturnType<typeof createMetrics>, prefix: string): Promise<readonly string[]> {
  const { body } = await metrics.scrape();
  return body.split("\n").filter((line) => line.startsWith(prefix));
}

test("createMetrics() counts as controller-runtime and client-go do", async () => {
  const metrics = createMetrics();
  const queue = metrics.forQueue("fluxinstance");
  queue.added();
  queue.depth(1);
  const controller = metrics.forController("fluxinstance", 10);
  controller.started();
  controller.finished("error", 250);
  metrics.forRequests({ method: "GET", host: "10.0.0.1:443", status: 404 });
  metrics.leading("flux-operator", true);
  const { contentType, body } = await metrics.scrape();
  assert.match(contentType, /^text\/plain/);
  for (const line of [
    'workqueue_depth{name="fluxinstance",controller="fluxinstance"} 1',
    'workqueue_adds_total{name="fluxinstance",controller="fluxinstance"} 1',
    'controller_runtime_reconcile_total{controller="fluxinstance",result="error"} 1',
    'controller_runtime_reconcile_total{controller="fluxinstance",result="success"} 0',
    'controller_runtime_reconcile_errors_total{controller="fluxinstance"} 1',
    'controller_runtime_reconcile_time_seconds_bucket{le="0.25",controller="fluxinstance"} 1',
    'controller_runtime_active_workers{controller="fluxinstance"} 0',
    'controller_runtime_max_concurrent_reconciles{controller="fluxinstance"} 10',
    'rest_client_requests_total{code="404",method="GET",host="10.0.0.1:443"} 1',
    'leader_election_master_status{name="flux-operator"} 1',
  ]) {
    assert.ok(body.includes(`\n${line}\n`), line);
  }
});

test("createMetrics() has a row of all that is counted before anything is", async () => {
  const metrics = createMetrics();
  metrics.forQueue("q");
  metrics.forController("c", 10);
  const { body } = await metrics.scrape();
  for (const line of [
    'workqueue_depth{name="q",controller="q"} 0',
    'workqueue_queue_duration_seconds_bucket{le="+Inf",name="q",controller="q"} 0',
    'workqueue_work_duration_seconds_count{name="q",controller="q"} 0',
    'controller_runtime_reconcile_total{controller="c",result="error"} 0',
    'controller_runtime_reconcile_time_seconds_bucket{le="0.25",controller="c"} 0',
  ]) {
    assert.ok(body.includes(`\n${line}\n`), line);
  }
});

test("createMetrics() computes the rows of a state when it is scraped", async () => {
  const metrics = createMetrics();
  let ready = "False";
  metrics.addState({
    name: "flux_instance_info",
    help: "h",
    labels: ["name", "ready"],
    rows: () => [{ name: "flux", ready }],
  });
  assert.deepEqual(await linesOf(metrics, "flux_instance_info"), ['flux_instance_info{name="flux",ready="False"} 1']);
  ready = "True";
  assert.deepEqual(await linesOf(metrics, "flux_instance_info"), ['flux_instance_info{name="flux",ready="True"} 1']);
});
