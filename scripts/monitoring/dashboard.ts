import type { JsonObject } from "../../src/std/json.ts";

/** A panel of the dashboard. Each query has data in a run with one instance that is Ready, and a registry with TLS. */
export type Panel = {
  readonly title: string;
  /** Where the title is not enough. */
  readonly description?: string;
  readonly kind: "stat" | "timeseries" | "table";
  readonly queries: readonly Query[];
  /** A unit of Grafana. */
  readonly unit?: string;
  /** What numbers mean, as text and colour. */
  readonly words?: { readonly [value: number]: Word };
  /** Columns of Grafana's 24; 8 by default. */
  readonly width?: number;
};

export type Query = { readonly expr: string; readonly legend: string };
type Word = readonly [text: string, color: "green" | "red" | "orange" | "blue"];

const named = "{{exported_namespace}}/{{name}}";
const instance = "exported_namespace, name";
/** Long enough for four scrapes a minute apart. */
const range = "5m";
const yes: Word = ["yes", "green"];
const no: Word = ["no", "red"];

/** Rows of panels, from top to bottom. */
export const rows: readonly (readonly [title: string, panels: readonly Panel[]])[] = [
  [
    "Flux",
    [
      {
        title: "Ready",
        kind: "stat",
        width: 6,
        words: { 1: yes, 0: no },
        queries: [{ expr: condition("Ready"), legend: named }],
      },
      {
        title: "Up to date",
        kind: "stat",
        width: 6,
        words: { 1: yes, 0: ["no", "orange"] },
        queries: [{ expr: condition("UpToDate"), legend: named }],
      },
      {
        title: "Rolled back",
        kind: "stat",
        width: 6,
        words: { 0: ["no", "green"], 1: ["yes", "orange"] },
        queries: [{ expr: `max by (${instance}) (flux_instance_rolled_back)`, legend: named }],
      },
      {
        title: "Stalled",
        kind: "stat",
        width: 6,
        words: { 0: ["no", "green"], 1: ["yes", "red"] },
        queries: [{ expr: condition("Stalled"), legend: named }],
      },
      {
        title: "Instances",
        kind: "table",
        width: 16,
        queries: [
          {
            expr: `max by (${instance}, version, latest_version, ready, reason, up_to_date, suspended, registry) (flux_instance_info)`,
            legend: named,
          },
        ],
      },
      {
        title: "Conditions that are True",
        kind: "timeseries",
        queries: [
          {
            expr: 'max by (exported_namespace, name, type) (flux_instance_condition{status="True"})',
            legend: "{{type}}",
          },
        ],
      },
      {
        title: "Since the last reconcile",
        kind: "timeseries",
        unit: "s",
        queries: [
          {
            expr: `time() - max by (${instance}) (flux_instance_last_reconcile_timestamp_seconds)`,
            legend: named,
          },
          { expr: `max by (${instance}) (flux_instance_reconcile_interval_seconds)`, legend: `interval of ${named}` },
        ],
      },
      {
        title: "Since each condition has its status",
        kind: "timeseries",
        unit: "s",
        queries: [
          {
            expr: "time() - max by (exported_namespace, name, type) (flux_instance_condition_transition_timestamp_seconds)",
            legend: "{{type}}",
          },
        ],
      },
      {
        title: "Certificates of registries are valid for",
        description:
          "Empty while no registry is asked by TLS, as with the releases that are built in, or through a SOCKS proxy.",
        kind: "stat",
        unit: "s",
        queries: [
          {
            expr: "min by (host) (flux_operator_registry_certificate_expiry_timestamp_seconds) - time()",
            legend: "{{host}}",
          },
        ],
      },
    ],
  ],
  [
    "Operator",
    [
      {
        title: "Processes",
        kind: "table",
        width: 16,
        queries: [{ expr: "flux_operator_info", legend: "{{version}}" }],
      },
      {
        title: "Processes that lead",
        kind: "stat",
        words: { 0: ["none", "red"] },
        queries: [{ expr: 'sum(leader_election_master_status{name="flux-operator"})', legend: "leaders" }],
      },
      {
        title: "Reconciles by result",
        kind: "timeseries",
        unit: "ops",
        queries: [
          {
            expr: `sum by (controller, result) (rate(controller_runtime_reconcile_total[${range}]))`,
            legend: "{{controller}} {{result}}",
          },
        ],
      },
      {
        title: "How long reconciles take (95 of 100)",
        kind: "timeseries",
        unit: "s",
        queries: [
          {
            expr: `histogram_quantile(0.95, sum by (controller, le) (rate(controller_runtime_reconcile_time_seconds_bucket[${range}])))`,
            legend: "{{controller}}",
          },
        ],
      },
      {
        title: "Keys that wait for a worker",
        kind: "timeseries",
        queries: [{ expr: "sum by (name) (workqueue_depth)", legend: "{{name}}" }],
      },
      {
        title: "Requests to the API server by status",
        kind: "timeseries",
        unit: "reqps",
        queries: [{ expr: `sum by (code) (rate(rest_client_requests_total[${range}]))`, legend: "{{code}}" }],
      },
      {
        title: "Kinds that cannot be watched",
        kind: "stat",
        words: { 0: ["none", "green"] },
        queries: [{ expr: "count(flux_operator_watch_failing) or vector(0)", legend: "kinds" }],
      },
      {
        title: "Notifications by result, in an hour",
        kind: "stat",
        queries: [{ expr: "sum by (result) (increase(flux_operator_notifications_total[1h]))", legend: "{{result}}" }],
      },
      {
        title: "CPU",
        kind: "timeseries",
        queries: [
          {
            expr: `rate(process_cpu_seconds_total[${range}]) * on (instance, job) group_left flux_operator_info`,
            legend: "{{instance}}",
          },
        ],
      },
      {
        title: "Memory",
        kind: "timeseries",
        unit: "bytes",
        queries: [
          {
            expr: "process_resident_memory_bytes * on (instance, job) group_left flux_operator_info",
            legend: "{{instance}}",
          },
        ],
      },
      {
        title: "Delay of the event loop (99 of 100)",
        kind: "timeseries",
        unit: "s",
        queries: [
          {
            expr: "nodejs_eventloop_lag_p99_seconds * on (instance, job) group_left flux_operator_info",
            legend: "{{instance}}",
          },
        ],
      },
    ],
  ],
];

function condition(type: string): string {
  return `max by (${instance}) (flux_instance_condition{type="${type}", status="True"})`;
}

const source = { type: "prometheus", uid: "${datasource}" };
const width = 24;

/** The dashboard as Grafana imports it (9 and newer). */
export function grafanaDashboard(): JsonObject {
  return {
    uid: "flux-operator",
    title: "Flux Operator",
    tags: ["flux"],
    schemaVersion: 37,
    editable: true,
    refresh: "1m",
    time: { from: "now-6h", to: "now" },
    templating: {
      list: [{ name: "datasource", label: "Data source", type: "datasource", query: "prometheus", hide: 0 }],
    },
    panels: placedPanels(),
  };
}

function placedPanels(): readonly JsonObject[] {
  const placed: JsonObject[] = [];
  let y = 0;
  for (const [title, panels] of rows) {
    const gridPos = { x: 0, y, w: width, h: 1 };
    placed.push({ id: placed.length + 1, gridPos, type: "row", title, collapsed: false, panels: [] });
    y += 1;
    let x = 0;
    for (const panel of panels) {
      const w = panel.width ?? 8;
      if (x + w > width) [x, y] = [0, y + panelHeight];
      placed.push(panelOf(panel, { id: placed.length + 1, gridPos: { x, y, w, h: panelHeight } }));
      x += w;
    }
    y += panelHeight;
  }
  return placed;
}

const panelHeight = 7;

function panelOf({ title, description = "", kind, queries, unit, words = {} }: Panel, place: JsonObject): JsonObject {
  const mappings = Object.entries(words).map(([value, [text, color]]) => ({
    type: "value",
    options: { [value]: { text, color } },
  }));
  const isTable = kind === "table";
  return {
    ...place,
    type: kind,
    title,
    description,
    datasource: source,
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource: source,
      expr,
      legendFormat: legend,
      instant: kind !== "timeseries",
      range: kind === "timeseries",
      ...(isTable ? { format: "table" } : {}),
    })),
    fieldConfig: { defaults: { ...(unit === undefined ? {} : { unit }), mappings }, overrides: [] },
    options: optionsOf[kind],
    ...(isTable ? { transformations: [withoutTime] } : {}),
  };
}

const withoutTime = {
  id: "organize",
  options: { excludeByName: { Time: true, Value: true, __name__: true }, renameByName: {} },
};

const optionsOf = {
  stat: { colorMode: "background", graphMode: "none", textMode: "auto", reduceOptions: { calcs: ["lastNotNull"] } },
  timeseries: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } },
  table: { showHeader: true },
} as const satisfies { readonly [kind in Panel["kind"]]: JsonObject };
