import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { alerts } from "../../scripts/monitoring/alerts.ts";
import { rows } from "../../scripts/monitoring/dashboard.ts";
import { ruleGroups } from "../../scripts/monitoring/objects.ts";
import { prometheusAbsent } from "../../scripts/prometheus.ts";
import { loadRelease } from "../../src/distribution/load.ts";
import type { Release } from "../../src/distribution/release.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { isJsonObject } from "../../src/std/json.ts";
import { parseKubeYaml } from "../../src/std/yaml.ts";
import { artifactFiles } from "../support/artifact-of.ts";
import { brokenRelease } from "../support/broken-release.ts";
import { installCrd } from "../support/custom-resources.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";
import { freePort } from "../support/flux-process.ts";
import { applyFile, connectAsOperator, grantRights } from "../support/installation.ts";
import { promtool, startPrometheus, type ActiveAlert, type PrometheusServer } from "../support/prometheus.ts";
import { pushImage, startRegistry, type RegistryProcess } from "../support/registry.ts";
import { tarGzOf } from "../support/tarball.ts";
import { startTlsFront, type TlsFront } from "../support/tls-front.ts";
import { startWireProxy, type WireProxy } from "../support/wire-proxy.ts";

const run = promisify(execFile);
const never = new AbortController().signal;
const dayMs = 24 * 3_600_000;
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const leasePath = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/flux-operator`;
const repository = "org/manifests";

let folder: string;
let cluster: FluxCluster;
let registry: RegistryProcess;
let front: TlsFront;
let proxy: WireProxy;
let prometheus: PrometheusServer;
let metricsUrl: string;
/** Stands for notification-controller, which some proxies answer for. */
const notified = createServer(
  (request, response) => void request.resume().on("end", () => response.writeHead(status).end()),
);
let status = 202;

before(async () => {
  if (prometheusAbsent() !== undefined) return;
  folder = await mkdtemp(join(tmpdir(), "monitoring-"));
  const target = `127.0.0.1:${await freePort()}`;
  metricsUrl = `http://${target}/metrics`;
  notified.listen(0, "127.0.0.1");
  await once(notified, "listening");
  const { port } = notified.address() as AddressInfo;
  registry = await startRegistry({ kind: "open" }, never);
  front = await startTlsFront(registry.host);
  front.renew(90 * dayMs);
  const labels = { namespace, pod: "flux-operator-0" };
  prometheus = await startPrometheus({ folder, target, labels, groups: ruleGroups });
  cluster = await startFluxCluster({
    args: [`--metrics-addr=${target}`],
    env: { NOTIFICATION_CONTROLLER_ADDRESS: `http://127.0.0.1:${port}/` },
    kubeconfig: async (plane) => {
      proxy = await startWireProxy(plane);
      await grantRights(plane);
      return await connectAsOperator(plane, proxy.server);
    },
  });
});
after(async () => {
  if (prometheusAbsent() !== undefined) return;
  await prometheus?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
  notified.close();
  await proxy?.stop();
  await front?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function push(...releases: readonly Release[]): Promise<void> {
  const tarball = join(folder, "artifact.tgz");
  await writeFile(tarball, await tarGzOf(Object.fromEntries(artifactFiles(...releases))));
  await pushImage({ tarball, to: `${registry.host}/${repository}:latest` }, never);
}

async function trustRegistry(): Promise<void> {
  await cluster.plane.rest.create(`/api/v1/namespaces/${namespace}/secrets`, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "registry-ca" },
    stringData: { "ca.crt": front.caPem },
  });
}

async function create(): Promise<void> {
  await cluster.apply({
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: {
      name: "flux",
      namespace,
      annotations: {
        "fluxcd.controlplane.io/reconcileTimeout": "15s",
        "fluxcd.controlplane.io/reconcileArtifactEvery": "1s",
      },
    },
    spec: {
      distribution: {
        version: "2.9.x",
        registry: "ghcr.io/fluxcd",
        artifact: `oci://${front.host}/${repository}:latest`,
        artifactCertSecretRef: { name: "registry-ca" },
      },
      components: ["source-controller"],
    },
  });
}

const patchVersion = (version: string): Promise<KubeObject> =>
  cluster.patchInstance({ spec: { distribution: { version } } });

const runs = (version: string) => (instance: KubeObject) =>
  isReady(instance) && statusOf(instance)["lastAppliedVersion"] === version;

const says = (type: string, beginning: string) => (instance: KubeObject) =>
  condition(instance, type)?.startsWith(beginning) === true;

/** As if the condition had had its status for so many days. */
async function date(type: string, days: number): Promise<void> {
  const conditions = listOf(statusOf(await cluster.instance())["conditions"]).map(fieldsOf);
  const lastTransitionTime = new Date(Date.now() - days * dayMs).toISOString().replace(/\.\d+/, "");
  const dated = conditions.map((one) => Object.assign(one, one["type"] === type ? { lastTransitionTime } : {}));
  await cluster.plane.rest.patch(`${instancePath}/status`, { status: { conditions: dated } });
}

async function leadElsewhere(): Promise<void> {
  await cluster.operator.stop();
  const now = new Date().toISOString().replace("Z", "000Z");
  const spec = { holderIdentity: "another", leaseDurationSeconds: 3_600, acquireTime: now, renewTime: now };
  await cluster.plane.rest.patch(leasePath, { spec });
  await cluster.restartOperator();
  // The process before says at its end, too, that it does not lead.
  await until("a scrape", scrape, (seen) => seen.length > 0);
}

type Stage = {
  readonly name: string;
  readonly enter: () => Promise<unknown>;
  /** All alerts of which the expression holds, sorted. */
  readonly wrong: readonly string[];
  /** Whether the operator has promised to look at an instance again, and is silent when it does not. */
  readonly isWatched: boolean;
};

const stages: readonly Stage[] = [
  { name: "before there is an instance", enter: async () => undefined, wrong: [], isWatched: false },
  {
    name: "with an instance that is Ready",
    enter: async () => {
      await push(loadRelease("2.9.2"));
      await trustRegistry();
      await create();
      await cluster.instanceWhen("ready", runs("2.9.2"));
    },
    wrong: [],
    isWatched: true,
  },
  {
    name: "while the certificate of the registry ends in 3 days",
    enter: async () => front.renew(3 * dayMs),
    wrong: ["FluxRegistryCertificateExpires"],
    isWatched: true,
  },
  {
    name: "once the certificate is renewed",
    enter: async () => front.renew(90 * dayMs),
    wrong: [],
    isWatched: true,
  },
  {
    name: "after an upgrade that was rolled back",
    enter: async () => {
      await push(loadRelease("2.9.2"), brokenRelease("2.9.3"));
      await cluster.instanceWhen("rolled back", says("Ready", "True/RolledBack"));
    },
    wrong: ["FluxInstanceRolledBack"],
    isWatched: true,
  },
  {
    name: "after an upgrade that succeeded",
    enter: async () => {
      await push(loadRelease("2.9.2"), loadRelease("2.9.3"));
      await cluster.instanceWhen("upgraded", runs("2.9.3"));
    },
    wrong: [],
    isWatched: true,
  },
  {
    name: "while a newer version is not taken",
    enter: async () => {
      await patchVersion("2.9.3");
      await push(loadRelease("2.9.3"), loadRelease("2.9.4"));
      await cluster.instanceWhen("outdated", says("UpToDate", "False/NewVersionAvailable"));
    },
    wrong: [],
    isWatched: true,
  },
  {
    name: "when it has not been taken for 15 days",
    enter: () => date("UpToDate", 15),
    wrong: ["FluxInstanceOutdated"],
    isWatched: true,
  },
  {
    name: "with a version that there is not",
    enter: async () => {
      await date("UpToDate", 0);
      await patchVersion("9.x");
      await cluster.instanceWhen("stalled", says("Stalled", "True/NeedsNewerOperator"));
    },
    wrong: ["FluxInstanceNotReady", "FluxInstanceStalled"],
    isWatched: false,
  },
  {
    name: "with that version, and reconciliation disabled",
    enter: () =>
      cluster.patchInstance({ metadata: { annotations: { "fluxcd.controlplane.io/reconcile": "disabled" } } }),
    wrong: [],
    isWatched: false,
  },
  {
    name: "once the spec is corrected and reconciled",
    enter: async () => {
      await patchVersion("2.9.x");
      await cluster.patchInstance({ metadata: { annotations: { "fluxcd.controlplane.io/reconcile": null } } });
      await cluster.instanceWhen("upgraded", runs("2.9.4"));
    },
    wrong: [],
    isWatched: true,
  },
  {
    name: "while a kind may not be watched",
    enter: async () => {
      const body = JSON.stringify({ kind: "Status", code: 403, reason: "Forbidden", message: "not you" });
      proxy.inject({ path: /\/services\?.*watch=true/, fault: { kind: "answer", status: 403, body }, times: 10_000 });
      await cluster.restartOperator();
      await cluster.instanceWhen("warned", says("Warning", "True/WatchRefused"));
    },
    wrong: ["FluxOperatorWatchFailing"],
    isWatched: true,
  },
  {
    name: "once it may be watched",
    enter: async () => {
      proxy.heal();
      await cluster.restartOperator();
      await cluster.instanceWhen("not warned", (instance) => isReady(instance) && !says("Warning", "")(instance));
    },
    wrong: [],
    isWatched: true,
  },
  {
    name: "after the instance is deleted",
    enter: async () => {
      await cluster.plane.rest.delete(instancePath);
      await cluster.gone(`FluxInstance/${namespace}/flux`);
    },
    wrong: [],
    isWatched: false,
  },
  {
    name: "while no process that is scraped leads",
    enter: leadElsewhere,
    wrong: ["FluxOperatorWithoutLeader"],
    isWatched: false,
  },
  {
    name: "without an operator",
    enter: () => cluster.operator.stop(),
    wrong: ["FluxOperatorAbsent"],
    isWatched: false,
  },
  {
    name: "with an operator whose notifications are refused",
    enter: async () => {
      status = 404;
      await cluster.plane.rest.delete(leasePath);
      await cluster.restartOperator();
      await create();
      await cluster.instanceWhen("ready", isReady);
    },
    wrong: ["FluxNotificationsLost"],
    isWatched: true,
  },
];

/** A row of a scrape. */
type Row = { readonly name: string; readonly series: string; readonly value: number };
type Recorded = { readonly stage: Stage; readonly rows: readonly Row[]; readonly active: readonly ActiveAlert[] };

const recorded: Recorded[] = [];
let firstScrape: readonly Row[] = [];

/** What the operator says now; nothing when none listens. */
async function scrape(): Promise<readonly Row[]> {
  const nowSeconds = Date.now() / 1_000;
  const answer = await fetch(metricsUrl).catch(() => undefined);
  const text = (await answer?.text()) ?? "";
  return [...text.matchAll(/^([a-zA-Z_]\w*)(\{.*\})? (\S+)$/gm)].map(([, name = "", labels = "", value = ""]) => ({
    name,
    series: name + labels,
    // promtool's time begins at 0.
    value: Number(value) - (name.endsWith("_timestamp_seconds") ? nowSeconds : 0),
  }));
}

async function until<T>(what: string, look: () => Promise<T>, isSo: (seen: T) => boolean): Promise<T> {
  const deadline = AbortSignal.timeout(90_000);
  for (;;) {
    const seen = await look();
    if (isSo(seen)) return seen;
    if (deadline.aborted) throw new Error(`${what} did not come; last: ${JSON.stringify(seen)}`);
    await systemClock.sleep(200, deadline).catch(() => undefined);
  }
}

const namesOf = (active: readonly ActiveAlert[]): readonly string[] => active.map(({ name }) => name).toSorted();

async function hasData(expr: string): Promise<boolean> {
  return (await prometheus.query(expr)).some(({ value }) => Number.isFinite(Number(value)));
}

/** Metrics that alerts and panels ask for. Buckets are rows of the histogram. */
const asked = [
  ...new Set(
    [...alerts, ...rows.flatMap(([, panels]) => panels.flatMap(({ queries }) => queries))].flatMap(({ expr }) =>
      [...expr.matchAll(/\b(?:flux|leader|controller_runtime|workqueue|rest_client|process|nodejs)_\w+/g)].map(
        ([name]) => name,
      ),
    ),
  ),
].toSorted();

const absentOf = (seen: readonly Row[]): readonly string[] =>
  asked.filter((name) => !seen.some((row) => row.name === name));

/** The same of the scrape at the end of a stage. */
function absentAt(name: string): readonly string[] {
  return absentOf(recorded.find(({ stage }) => stage.name === name)?.rows ?? []);
}

const ofInstances = [
  "flux_instance_condition",
  "flux_instance_condition_transition_timestamp_seconds",
  "flux_instance_info",
  "flux_instance_last_reconcile_timestamp_seconds",
  "flux_instance_reconcile_interval_seconds",
  "flux_instance_rolled_back",
];
const onceNeeded = ["flux_operator_registry_certificate_expiry_timestamp_seconds", "flux_operator_watch_failing"];

describe("the real Prometheus", { concurrency: 1, skip: prometheusAbsent() ?? false }, () => {
  test("finds the rules in order", async () => {
    const said = await promtool(join(folder, "check"), ["check", "rules", "rules.yaml"], {
      "rules.yaml": { groups: ruleGroups },
    });
    assert.match(said, new RegExp(`SUCCESS: ${alerts.length} rules found`));
  });

  test("gets all metrics at the first scrape, but those of what is not there", async () => {
    firstScrape = await until("a scrape", scrape, (seen) => seen.length > 0);
    // Each status of the API server is a row once there was one.
    assert.deepEqual(
      absentOf(firstScrape).filter((name) => name !== "rest_client_requests_total"),
      [...ofInstances, ...onceNeeded],
    );
  });

  for (const stage of stages) {
    test(`alerts of ${stage.wrong.join(" and ") || "nothing"} ${stage.name}`, async () => {
      await stage.enter();
      const active = await until(
        `${stage.wrong.join(", ") || "no alert"} ${stage.name}`,
        () => prometheus.alerts(),
        (seen) => namesOf(seen).join() === stage.wrong.join(),
      );
      recorded.push({ stage, rows: await scrape(), active });
    });

    if (stage.name !== "with an instance that is Ready") continue;
    test("has data for each query of the dashboard", async () => {
      const queries = rows.flatMap(([, panels]) => panels).flatMap((panel) => panel.queries);
      const empty = async (): Promise<readonly string[]> => {
        const found = await Promise.all(queries.map(async ({ expr }) => ((await hasData(expr)) ? [] : [expr])));
        return found.flat();
      };
      await until("data for each query", empty, (exprs) => exprs.length === 0);
    });
  }

  test("gets all metrics of an instance from when there is one until it is deleted", () => {
    assert.deepEqual(absentAt("with an instance that is Ready"), ["flux_operator_watch_failing"]);
    assert.deepEqual(absentAt("while a kind may not be watched"), []);
    assert.deepEqual(absentAt("after the instance is deleted"), [...ofInstances, ...onceNeeded]);
  });

  test("tells of each alert what is wrong and where", () => {
    const told = recorded.flatMap(({ active }) => active);
    assert.deepEqual(
      [...new Set(namesOf(told))],
      alerts
        .map(({ name }) => name)
        .filter((name) => name !== "FluxOperatorSilent")
        .toSorted(),
    );
    for (const { name, annotations } of told) {
      const description = textOf(annotations["description"]);
      assert.doesNotMatch(description, /no value|error|\{\{|%!|\/ |\(\)/, name);
      if (name.startsWith("FluxInstance")) assert.match(description, /FluxInstance flux-system\/flux /);
    }
    const outdated = told.find(({ name }) => name === "FluxInstanceOutdated");
    assert.match(textOf(outdated?.annotations["description"]), /has not run the newest version for 15d /);
    const expires = told.find(({ name }) => name === "FluxRegistryCertificateExpires");
    assert.match(
      textOf(expires?.annotations["description"]),
      /registry 127\.0\.0\.1:\d+ is valid for 2d 23h \d+m \d+s from now/,
    );
  });
});

/** Where the Go module of the Prometheus Operator lies, which has its CRDs as files. */
async function operatorModule(): Promise<string> {
  const cwd = join(import.meta.dirname, "../../tools/prometheus-operator");
  const module = "github.com/prometheus-operator/prometheus-operator";
  const { stdout } = await run("go", ["mod", "download", "-json", module], { cwd });
  return textOf(fieldsOf(JSON.parse(stdout))["Dir"]);
}

/** What is counted is told from when a second scrape has more, for an hour. */
const counted: ReadonlySet<string> = new Set(["FluxNotificationsLost"]);

/** After which minutes each alert is looked for: each `for`, and when an operator that looks every hour counts as silent. */
const silentAfter = 2 * 60 + 60 + 5;
const minutes = [
  ...new Set([
    0,
    2,
    ...alerts.flatMap(({ forMinutes }) => [forMinutes - 1, forMinutes]),
    silentAfter - 2,
    silentAfter + 1,
  ]),
];

function firingAt(minute: number, { wrong, isWatched }: Stage): readonly string[] {
  const fires = alerts
    .filter(({ name }) => wrong.includes(name))
    .filter(({ name, forMinutes }) => (counted.has(name) ? minute > forMinutes && minute < 60 : minute >= forMinutes));
  const silent = isWatched && minute >= silentAfter ? ["FluxOperatorSilent"] : [];
  return [...fires.map(({ name }) => name), ...silent];
}

/** The value of a counter at the end of the stage before, 0 in a new process. */
function countBefore(index: number, series: string, value: number): number {
  const last = recorded[index - 1]?.rows.find((row) => row.series === series)?.value ?? 0;
  return last <= value ? last : 0;
}

describe("promtool, with what was scraped", { concurrency: 1, skip: prometheusAbsent() ?? false }, () => {
  for (const [index, stage] of stages.entries())
    test(`lets fire what should, and after how long it should, ${stage.name}`, async () => {
      const seen = recorded[index]?.rows ?? [];
      const used = new Set(alerts.flatMap(({ expr }) => [...expr.matchAll(/\b\w+(?=[({)]|$)/g)].map(([name]) => name)));
      const series = seen
        .filter(({ name }) => used.has(name))
        .map(({ name, series: text, value }) => {
          const first = name.endsWith("_total") ? countBefore(index, text, value) : value;
          return { series: text, values: `${first} ${value}x${silentAfter + 10}` };
        });
      assert.equal(series.length > 0, stage.name !== "without an operator");
      const wanted = minutes.map((minute) => ({
        expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: `${minute}m`,
        exp_samples: firingAt(minute, stage).map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
      }));
      await promtool(join(folder, "rules"), ["test", "rules", "tests.yaml"], {
        "rules.yaml": { groups: ruleGroups },
        "tests.yaml": {
          rule_files: ["rules.yaml"],
          evaluation_interval: "1m",
          tests: [{ interval: "1m", input_series: series, promql_expr_test: wanted }],
        },
      });
    });
});

describe(
  "a real API server with the CRDs of the Prometheus Operator",
  { concurrency: 1, skip: prometheusAbsent() ?? false },
  () => {
    test("takes packaging/monitoring, and the ServiceMonitor beside it", async () => {
      const crds = join(await operatorModule(), "example", "prometheus-operator-crd");
      for (const kind of ["podmonitors", "servicemonitors", "prometheusrules"]) {
        const crd = parseKubeYaml(await readFile(join(crds, `monitoring.coreos.com_${kind}.yaml`), "utf8"));
        assert.ok(isJsonObject(crd));
        await installCrd(cluster.plane.rest, crd as KubeObject);
      }
      const applied = [
        await applyFile(cluster.plane, "packaging/monitoring"),
        await applyFile(cluster.plane, "packaging/monitoring/servicemonitor.yaml"),
      ];
      assert.deepEqual(
        applied.map(({ lines, complaints }) => ({ lines: lines.toSorted(), complaints })),
        [
          {
            lines: [
              "configmap/flux-operator-dashboard serverside-applied",
              "podmonitor.monitoring.coreos.com/flux-operator serverside-applied",
              "prometheusrule.monitoring.coreos.com/flux-operator serverside-applied",
            ],
            complaints: "",
          },
          { lines: ["servicemonitor.monitoring.coreos.com/flux-operator serverside-applied"], complaints: "" },
        ],
      );
      const path = `/api/v1/namespaces/${namespace}/configmaps/flux-operator-dashboard`;
      const configMap = await cluster.plane.rest.get(path);
      const dashboard: JsonObject = fieldsOf(JSON.parse(textOf(fieldsOf(configMap["data"])["flux-operator.json"])));
      assert.deepEqual([configMap.metadata.labels?.["grafana_dashboard"], dashboard["title"]], ["1", "Flux Operator"]);
    });
  },
);
