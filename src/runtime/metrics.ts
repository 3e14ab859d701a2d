import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";

import type { RequestObserver } from "../client/transport.ts";
import type { ControllerObserver } from "./controller.ts";
import { notificationResults, type NotificationResult } from "./notifications.ts";
import type { QueueObserver } from "./work-queue.ts";

/** A gauge whose rows are computed at each scrape; each row has the value 1. */
export type StateMetric<Label extends string> = {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly Label[];
  readonly rows: () => readonly { readonly [label in Label]: string }[];
};

/** A gauge whose rows and their values are computed at each scrape. */
export type ValueMetric<Label extends string> = Omit<StateMetric<Label>, "rows"> & {
  readonly values: () => readonly (readonly [labels: { readonly [label in Label]: string }, value: number])[];
};

/** What a metric is, without its rows. */
export type MetricDescription = {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
};

/** The operator's metrics. Names and labels are those of controller-runtime and client-go. */
export type Metrics = {
  forQueue(name: string): QueueObserver;
  forController(name: string, workers: number): ControllerObserver;
  readonly forRequests: RequestObserver;
  leading(lease: string, leading: boolean): void;
  /** Counts what became of a notification. */
  notified(result: NotificationResult): void;
  /** Counts changes that a later list has found and no watch has reported. */
  corrected(kind: string, changes: number): void;
  addState<Label extends string>(metric: StateMetric<Label>): void;
  addValues<Label extends string>(metric: ValueMetric<Label>): void;
  /** All metrics, sorted by name. */
  describe(): readonly MetricDescription[];
  /** The text of a scrape, and its content type. */
  scrape(): Promise<{ readonly contentType: string; readonly body: string }>;
};

const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const queueBuckets = [0.001, 0.01, 0.1, 1, 10, 60, 300, 1000];

/** Metrics in a registry of their own, with the process metrics of prom-client. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: "rest_client_requests_total",
    help: "Requests to the API server, by status code, method and host.",
    labelNames: ["code", "method", "host"],
    registers,
  });
  const leader = new Gauge({
    name: "leader_election_master_status",
    help: "Whether this process holds the lease.",
    labelNames: ["name"],
    registers,
  });
  const notifications = new Counter({
    name: "flux_operator_notifications_total",
    help: "Notifications for notification-controller: sent, limited (it has had the same lately), refused, or dropped since it did not answer or too many were waiting.",
    labelNames: ["result"],
    registers,
  });
  for (const result of notificationResults) notifications.inc({ result }, 0);
  const corrections = new Counter({
    name: "flux_operator_watch_corrections_total",
    help: "Changes that a new list found and no watch had reported.",
    labelNames: ["kind"],
    registers,
  });
  return {
    forQueue: queueMetrics(registry),
    forController: controllerMetrics(registry),
    forRequests: ({ method, host, status }) =>
      requests.inc({ code: status === undefined ? "<error>" : String(status), method, host }),
    leading: (lease, leading) => leader.set({ name: lease }, leading ? 1 : 0),
    notified: (result) => notifications.inc({ result }),
    corrected: (kind, changes) => corrections.inc({ kind }, changes),
    addState: ({ rows, ...metric }) =>
      addValues(registry, { ...metric, values: () => rows().map((labels) => [labels, 1]) }),
    addValues: (metric) => addValues(registry, metric),
    describe: () => describe(registry),
    scrape: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}

function queueMetrics(registry: Registry): (name: string) => QueueObserver {
  const common = { labelNames: ["name", "controller"] as const, registers: [registry] };
  const depth = new Gauge({ ...common, name: "workqueue_depth", help: "Keys that wait for a worker." });
  const adds = new Counter({ ...common, name: "workqueue_adds_total", help: "Keys added." });
  const retries = new Counter({
    ...common,
    name: "workqueue_retries_total",
    help: "Keys added again after a failure.",
  });
  const seconds = { ...common, buckets: queueBuckets };
  const waited = new Histogram({
    ...seconds,
    name: "workqueue_queue_duration_seconds",
    help: "How long keys wait for a worker.",
  });
  const worked = new Histogram({
    ...seconds,
    name: "workqueue_work_duration_seconds",
    help: "How long workers hold a key.",
  });
  return (name) => {
    const labels = { name, controller: name };
    depth.set(labels, 0);
    adds.inc(labels, 0);
    retries.inc(labels, 0);
    // rate() does not count what a series begins with.
    waited.zero(labels);
    worked.zero(labels);
    return {
      added: () => adds.inc(labels),
      depth: (keys) => depth.set(labels, keys),
      retried: () => retries.inc(labels),
      waited: (ms) => waited.observe(labels, ms / 1000),
      worked: (ms) => worked.observe(labels, ms / 1000),
    };
  };
}

function controllerMetrics(registry: Registry): (name: string, workers: number) => ControllerObserver {
  const common = { labelNames: ["controller"] as const, registers: [registry] };
  const total = new Counter({
    name: "controller_runtime_reconcile_total",
    help: "Reconciles, by how they ended.",
    labelNames: ["controller", "result"],
    registers: [registry],
  });
  const errors = new Counter({
    ...common,
    name: "controller_runtime_reconcile_errors_total",
    help: "Reconciles that failed.",
  });
  const duration = new Histogram({
    ...common,
    buckets: durationBuckets,
    name: "controller_runtime_reconcile_time_seconds",
    help: "How long reconciles take.",
  });
  const active = new Gauge({ ...common, name: "controller_runtime_active_workers", help: "Reconciles that run now." });
  const limit = new Gauge({
    ...common,
    name: "controller_runtime_max_concurrent_reconciles",
    help: "Reconciles that may run at a time.",
  });
  return (controller, workers) => {
    limit.set({ controller }, workers);
    active.set({ controller }, 0);
    errors.inc({ controller }, 0);
    duration.zero({ controller });
    for (const result of ["success", "requeue_after", "requeue", "error"]) total.inc({ controller, result }, 0);
    return {
      started: () => active.inc({ controller }),
      finished: (result, ms) => {
        active.dec({ controller });
        total.inc({ controller, result });
        if (result === "error") errors.inc({ controller });
        duration.observe({ controller }, ms / 1000);
      },
    };
  };
}

function addValues<Label extends string>(registry: Registry, { name, help, labels, values }: ValueMetric<Label>): void {
  const gauge = new Gauge({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect: () => {
      gauge.reset();
      for (const [row, value] of values()) gauge.set(row, value);
    },
  });
}

function describe(registry: Registry): readonly MetricDescription[] {
  const metrics = registry.getMetricsAsArray().map(({ name, type, help, ...more }) => {
    // The library's types leave them out.
    const { labelNames } = more as { readonly labelNames?: readonly string[] };
    return { name, type: String(type), labels: labelNames ?? [], help };
  });
  return metrics.toSorted((left, right) => (left.name < right.name ? -1 : 1));
}
