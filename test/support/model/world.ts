import { setImmediate as othersRun } from "node:timers/promises";
import { fluxInstanceCrd } from "../../../src/api/crd.ts";
import { labels, lastGoodName, objectAnnotations } from "../../../src/api/names.ts";
import { createApiClient } from "../../../src/client/create-client.ts";
import { readStatus, runningVersion, type FluxInstanceStatus } from "../../../src/controllers/flux-instance/status.ts";
import { loadRelease } from "../../../src/distribution/load.ts";
import type { Release } from "../../../src/distribution/release.ts";
import { Certificates } from "../../../src/oci/certificates.ts";
import type { Condition } from "../../../src/kube/conditions.ts";
import { fieldsOf, listOf, textOf } from "../../../src/kube/fields.ts";
import { matchesSelector, parseSelector, type Labels, type Selector } from "../../../src/kube/selector.ts";
import { formatObjectId, nameObject, objectIdOf } from "../../../src/kube/object-id.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../../src/kube/object.ts";
import { readinessOf } from "../../../src/kube/readiness.ts";
import { readConfig } from "../../../src/operator/config.ts";
import { wire as wireOperator } from "../../../src/operator/wire.ts";
import { runManager } from "../../../src/runtime/manager.ts";
import type { Metrics } from "../../../src/runtime/metrics.ts";
import { randomOf } from "../random.ts";
import { TestClock } from "../test-clock.ts";
import { statusFaults } from "../status-faults.ts";
import { createTestLog, type LogLine } from "../test-log.ts";
import { createMemoryServer, type Answer, type Change, type MemoryServer } from "./api-server.ts";
import { Cluster, isGoing, isPodReady, ownersOf, collectionOf } from "./cluster.ts";
import { namespace, type Stage, type Trouble } from "./stage.ts";
import { Wire, type Fault, type WireRequest } from "./wire.ts";

/** An installation takes some 700. */
const mostSteps = 8_000;
/** A removal that is held up wakes twice in a second. */
const mostWakes = { atOnce: 2_000, inMinute: 200 };
/** In this share of the scripts pods take so long to start. */
const [slowShare, slowMs] = [1 / 2, 20_000];
const beginMs = Date.parse("2026-01-05T08:00:00Z");

/** What the invariants forbid has happened. */
export class Violation extends Error {}

/** Who makes the request that is being carried out. */
type Actor = "operator" | "cluster" | "user";

/** What the sync object has applied: it goes only with a sync object that a user deletes. */
const fleet: KubeObject = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: {
    name: "fleet",
    namespace: "apps",
    labels: { "kustomize.toolkit.fluxcd.io/name": namespace, "kustomize.toolkit.fluxcd.io/namespace": namespace },
  },
};

/** What is not ours: it stays as it is, whatever we do. */
const others: readonly KubeObject[] = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } },
  { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "apps" }, data: { colour: "blue" } },
  { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "source-controller", namespace }, data: { whose: "mine" } },
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: "workload",
      namespace: "apps",
      labels: { "kustomize.toolkit.fluxcd.io/name": "app", "kustomize.toolkit.fluxcd.io/namespace": "apps" },
    },
  },
  fleet,
  { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name: "flux-view" }, rules: [] },
];

const releases = new Map<string, Release>();

/** A release whose CRDs have no schema: they are most of its bytes, and the model asks nothing of them. */
function smallRelease(version: string): Release {
  const known = releases.get(version);
  if (known !== undefined) return known;
  const release = loadRelease(version);
  const components = Object.fromEntries(
    Object.entries(release.components).map(([name, objects]) => [name, objects.map(withoutSchema)]),
  );
  const small = { ...release, components };
  releases.set(version, small);
  return small;
}

function withoutSchema(object: KubeObject): KubeObject {
  if (object.kind !== "CustomResourceDefinition") return object;
  const spec = fieldsOf(object["spec"]);
  const versions = listOf(spec["versions"]).map(fieldsOf).map(shapeless);
  return { ...object, spec: { ...spec, versions } };
}

function shapeless(told: JsonObject): JsonObject {
  const { additionalPrinterColumns: _, ...version } = told;
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  return { ...version, schema };
}

/** The releases of the first operator, and those that each later one brings. */
const editions = [
  ["2.5.1", "2.6.4", "2.7.5"],
  ["2.5.1", "2.6.4", "2.7.5", "2.8.8"],
  ["2.5.1", "2.6.4", "2.7.5", "2.8.8", "2.9.4"],
] as const;

/** "source-controller:v1.6.2", of all releases of a minor. */
function imagesOf(minor: string): readonly string[] {
  const versions = (editions.at(-1) ?? []).filter((version) => version.startsWith(`${minor}.`));
  return versions.flatMap((version) =>
    Object.entries(smallRelease(version).images["upstream-alpine"] ?? {}).map(([name, { tag }]) => `${name}:${tag}`),
  );
}

const unmeasured: Metrics = {
  forQueue: () => ({ added: nothing, depth: nothing, retried: nothing, waited: nothing, worked: nothing }),
  forController: () => ({ started: nothing, finished: nothing }),
  forRequests: nothing,
  leading: nothing,
  corrected: nothing,
  notified: nothing,
  addState: nothing,
  addValues: nothing,
  describe: () => [],
  scrape: () => Promise.resolve({ contentType: "", body: "" }),
};

function nothing(): void {}

type Life = { readonly wire: Wire; readonly stop: AbortController; readonly ended: Promise<void> };

/** A cluster in memory with the operator in it; nothing happens in it but by `run` and `pass`. */
export class World {
  readonly clock = new TestClock(beginMs);
  readonly server: MemoryServer;
  readonly cluster: Cluster;
  readonly random: () => number;
  #life: Life | undefined;
  #actor: Actor = "user";
  #edition = 0;
  #troubles: Trouble[] = [];
  #requests = 0;
  /** Ids of what the operator has made, by uid. */
  /** uids of what a user has had kept at some time. */
  readonly #kept = new Set<string>();
  readonly #made = new Map<string, string>();
  /** Objects that the operator must not touch, by uid. */
  readonly #foreign = new Map<string, string>();
  /** What users have just added: nobody can keep what is added between the last look and the deletion of its CRD. */
  #new: KubeObject[] = [];
  /** Ids of what another client has written last. */
  readonly #touched = new Set<string>();
  #wasSick = false;
  /** Whether the instance has lost its status, and so may not list what was being made. */
  #isRestored = false;
  /** Whether there was an instance before this one, which may have left controllers behind: they run on, and are told. */
  #isAnother = false;
  readonly #statuses: KubeObject[] = [];
  readonly violations: string[] = [];
  #lines: readonly LogLine[] = [];
  writes = 0;

  constructor(seed: number) {
    this.random = randomOf(seed);
    this.server = createMemoryServer(() => this.clock.nowMs());
    const startMs = this.random() < slowShare ? slowMs : 0;
    this.cluster = new Cluster(this.server, { clock: this.clock, startMs });
    this.server.onChange((change) => this.#watchOver(change));
    const setup = [
      fluxInstanceCrd(),
      { apiVersion: "v1", kind: "Namespace", metadata: { name: "kube-system" } },
      { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
      ...others,
    ] as readonly KubeObject[];
    for (const object of setup) this.ask("POST", collectionOf(object), object);
    while (this.server.works.length > 0) this.server.works.shift()?.();
    for (const object of others) this.#protect(object);
  }

  get log(): readonly LogLine[] {
    return this.#lines;
  }

  #protect({ kind, metadata }: KubeObject): void {
    const live = this.server.find(kind, metadata.namespace ?? "", metadata.name);
    if (live?.metadata.uid !== undefined) this.#foreign.set(live.metadata.uid, nameObject(live));
  }

  /** A user's request. */
  ask(method: string, path: string, body?: JsonValue, contentType = "application/merge-patch+json"): Answer {
    const before = this.#actor;
    this.#actor = "user";
    try {
      const full = `${path}${path.includes("?") ? "&" : "?"}fieldManager=kubectl`;
      return this.server.handle({
        method,
        path: full,
        headers: { "content-type": contentType },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } finally {
      this.#actor = before;
    }
  }

  /** The stage on which scripts play in it. */
  get stage(): Stage {
    return {
      ask: async (...args) => this.ask(...args),
      instance: async () => this.instance(),
      managed: async () => this.#managed(),
      trouble: async (trouble) => this.trouble(trouble),
      restart: async (isNewer) => this.restart(isNewer),
      dropWatches: async (expire) => this.server.dropWatches(expire),
      sicken: async (minor) => this.sicken(minor),
      run: (steps) => this.run(steps),
      pass: (ms) => this.pass(ms),
      moment: () => `${this.clock.nowMs()}-${this.writes}`,
      onRestore: () => {
        this.#isRestored = true;
      },
      onUse: (object) => void this.#new.push(object),
    };
  }

  #managed(): readonly KubeObject[] {
    const aside = new Set(["Pod", "ReplicaSet", "Namespace", "ConfigMap"]);
    return this.server
      .objects()
      .filter(({ kind, metadata }) => metadata.labels?.[labels.ownerName] === "flux" && !aside.has(kind))
      .toSorted((left, right) => (nameObject(left) < nameObject(right) ? -1 : 1));
  }

  // The operator.

  start(): void {
    const { log, lines } = createTestLog();
    this.#lines = lines;
    const wire = new Wire(this.server);
    const stop = new AbortController();
    const { clock, random } = this;
    const connection = {
      server: "http://memory",
      namespace,
      tls: () => Promise.resolve({ insecure: true }),
      authorization: () => Promise.resolve(undefined),
    };
    const client = createApiClient({ connection, userAgent: "flux-operator/model", clock, sockets: wire });
    const { config: read } = readConfig(["--enable-leader-election=false"], { RUNTIME_NAMESPACE: namespace });
    const config = { ...read, notifications: { disabled: true } };
    const embedded = { versions: [...(editions[this.#edition] ?? [])], load: smallRelease };
    const registry = { resolve: unasked, fetch: unasked, read: unasked, certificates: new Certificates() };
    const steps = wireOperator({
      config,
      log,
      metrics: unmeasured,
      client,
      registry,
      embedded,
      clock,
      leaseClock: clock,
      random,
    });
    // The first step answers probes.
    const ended = runManager(steps.slice(1), { log, clock }, stop.signal).then(nothing, (error: unknown) => {
      if (!stop.signal.aborted) this.violations.push(`the operator has ended: ${String(error)}`);
    });
    this.#life = { wire, stop, ended };
  }

  /** The process dies at once: what it has asked for and was not answered is not carried out. */
  kill(): void {
    this.#life?.wire.cut();
    this.#life?.stop.abort(new Error("killed"));
    this.#life = undefined;
  }

  restart(isNewer = false): void {
    this.kill();
    if (isNewer) this.#edition = Math.min(this.#edition + 1, editions.length - 1);
    this.start();
  }

  trouble(trouble: Trouble): void {
    this.#troubles.push({ ...trouble, after: this.#requests + trouble.after });
  }

  /** The pods of a minor crash from now on; those of all others run. */
  sicken(minor: string | undefined): void {
    this.#wasSick ||= minor !== undefined;
    const images = new Set(minor === undefined ? [] : imagesOf(minor));
    this.cluster.isSick = (image) => images.has(image.split("/").at(-1)?.split("@")[0] ?? "");
    this.cluster.lookAtPods();
  }

  calm(): void {
    this.#troubles = [];
  }

  #faultOf(): Fault | "killed" | undefined {
    this.#requests += 1;
    const due = this.#troubles.find(({ after, times }) => this.#requests > after && times > 0);
    if (due === undefined) return undefined;
    this.#troubles = this.#troubles.map((one) => (one === due ? { ...one, times: one.times - 1 } : one));
    return due.fault;
  }

  // Time.

  /** One step of somebody, at random; false when nobody has anything to do. */
  #step(): boolean {
    const wire = this.#life?.wire;
    const works = this.cluster.works();
    const { works: own } = this.server;
    const requests = wire?.steps ?? 0;
    const steps = requests + works.length + (own.length > 0 ? 1 : 0);
    if (steps === 0) return false;
    const chosen = Math.floor(this.random() * steps);
    if (chosen < requests) this.#letThrough(chosen);
    else if (chosen < requests + works.length) {
      this.#actor = "cluster";
      this.cluster.work(works[chosen - requests] ?? "");
    } else {
      this.#actor = "cluster";
      own.shift()?.();
    }
    return true;
  }

  #letThrough(index: number): void {
    this.#actor = "operator";
    let isKilled = false;
    const faultOf = (request: WireRequest): Fault | undefined => {
      const fault = this.#faultOf();
      if (fault !== "killed") return fault;
      isKilled = request.isWrite;
      // What kills comes with a write, as it does harm then.
      if (!isKilled) this.trouble({ after: 1, fault: "killed", times: 1 });
      return undefined;
    };
    this.#life?.wire.step(index, faultOf);
    if (isKilled) this.restart();
  }

  /** Lets so many steps happen, or all that there are. */
  async run(steps: number = Number.POSITIVE_INFINITY): Promise<void> {
    for (let done = 0; done < steps; done += 1) {
      await othersRun();
      if (!this.#step()) return;
      if (done > mostSteps) throw new Violation("there is no end of requests, although no time passes");
      if (this.violations.length > 0) throw new Violation(this.violations.join("\n"));
    }
  }

  /** Lets time pass, and all that happens in it. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.clock.nowMs() + ms;
    const most = mostWakes.atOnce + (ms / 60_000) * mostWakes.inMinute;
    for (let wakes = 0; ; wakes += 1) {
      await this.run();
      if (wakes > most) throw new Violation(`somebody has woken ${wakes} times in ${ms / 60_000} minutes`);
      if (!this.clock.wakeNext(untilMs)) break;
    }
    await this.run();
    this.#rest();
  }

  #rest(): void {
    for (const object of this.#new) this.#protect(object);
    this.#new = [];
  }

  // What holds at all times.

  #watchOver({ before, after }: Change): void {
    const object = after ?? before;
    if (object === undefined) return;
    const uid = object.metadata.uid ?? "";
    if (this.#actor === "operator") {
      this.writes += 1;
      if (before === undefined && isInstalled(object)) this.#made.set(uid, idOf(object));
      this.#checkOthers(before, after);
    }
    if (this.#actor === "user") this.#touched.add(idOf(object));
    if (this.#actor === "operator") this.#touched.delete(idOf(object));
    if (after === undefined) this.#made.delete(uid);
    // What an instance leaves behind is nobody's any more.
    const isInstance = object.kind === "FluxInstance";
    if (isInstance && after === undefined) {
      this.#made.clear();
      this.#isAnother = true;
    }
    if (isInstance && after !== undefined) this.#statuses.push(after);
    if (isInstance || (this.#actor === "operator" && before === undefined)) this.#checkInventory();
    this.#checkOverlap(object);
    if (isInstance && after !== undefined && this.#actor === "operator") this.#checkReady(before, after);
  }

  /** Ready is never told of what is not applied, however others write meanwhile. */
  #checkReady(before: KubeObject | undefined, after: KubeObject): void {
    const [was, is] = [readyRevision(before), readyRevision(after)];
    if (is === undefined || is === was) return;
    const status = readStatus(after["status"]);
    const { inventory, observedGeneration } = status;
    // A status that was lost in the middle of a reconcile is whole again after the next one; the revision is always written.
    const version = runningVersion(status) ?? "";
    if (observedGeneration !== after.metadata.generation) return;
    const isWaited = !this.#wasSick && fieldsOf(after["spec"])["wait"] !== false;
    const existing = new Map(this.server.objects().map((object) => [idOf(object), object]));
    for (const { id } of inventory?.entries ?? []) {
      if (this.#touched.has(id)) continue;
      const object = existing.get(id);
      const problems = object === undefined ? [`${id} is not there`] : unlike(object, version, isWaited);
      this.violations.push(...problems.map((problem) => `Ready is True, and ${problem}`));
    }
  }

  /** Who takes our labels off an object, or says that it is to be kept, keeps it from being deleted, at whatever moment. */
  #checkOthers(before: KubeObject | undefined, after: KubeObject | undefined): void {
    const isDeletion = before !== undefined && !isGoing(before) && (after === undefined || isGoing(after));
    if (isDeletion && this.#made.has(before.metadata.uid ?? "")) {
      const name = nameObject(before);
      if (before.metadata.labels?.[labels.ownerName] === undefined)
        this.violations.push(`the operator has deleted ${name}, which has none of its labels any more`);
      if (before.metadata.annotations?.[objectAnnotations.prune] === "disabled")
        this.violations.push(`the operator has deleted ${name}, which a user keeps`);
    }
    const name = this.#foreign.get(before?.metadata.uid ?? "");
    if (name === undefined || before === undefined) return;
    if (after === undefined || isGoing(after))
      this.violations.push(`the operator has deleted ${name}, which is not its own`);
  }

  /** What the operator has made is in the inventory, from the moment on at which it is there. */
  #checkInventory(): void {
    if (this.#isRestored || this.instance() === undefined) return;
    const listed = this.#listed();
    for (const object of this.server.objects()) {
      const id = this.#made.get(object.metadata.uid ?? "");
      if (object.metadata.annotations?.[objectAnnotations.prune] === "disabled")
        this.#kept.add(object.metadata.uid ?? "");
      // What has lost our labels is somebody else's by now, what a user kept may have been forgotten, and what is being deleted goes by itself.
      const isOurs = object.metadata.labels?.[labels.ownerName] !== undefined && !isGoing(object);
      if (this.#kept.has(object.metadata.uid ?? "")) continue;
      if (id !== undefined && isOurs && !listed.has(id)) this.violations.push(`${id} is not in the inventory`);
    }
  }

  /** Pods of two Deployments never reconcile the same objects, but where another client has written one of them last. */
  #checkOverlap({ kind }: KubeObject): void {
    if (kind !== "Pod") return;
    const pods = this.server
      .objects()
      .filter((object) => object.kind === "Pod" && object.metadata.namespace === namespace && isPodReady(object));
    const running = pods.flatMap((pod) => this.#runningOf(pod) ?? []);
    for (const [index, one] of running.entries()) {
      const other = running
        .slice(index + 1)
        .find((two) => two.component === one.component && two.deployment !== one.deployment && isShared(one, two));
      if (other !== undefined)
        this.violations.push(`${one.deployment} and ${other.deployment} reconcile the same objects`);
    }
  }

  /** Undefined for the pod of a Deployment that is not ours alone. */
  #runningOf(pod: KubeObject): Running | undefined {
    const deployment = (ownersOf(pod)[0]?.name ?? "").replace(/-[0-9a-f]+$/, "");
    const component = /(source|kustomize|helm|notification)-controller/.exec(deployment)?.[0];
    const live = this.server.find("Deployment", namespace, deployment);
    const isOthers = live !== undefined && live.metadata.labels?.[labels.ownerName] === undefined;
    const id = `${namespace}_${deployment}_apps_Deployment`;
    // An instance that has lost its status warns of what it has forgotten, and lets it run.
    const isForgotten = (this.#isRestored || this.#isAnother) && !this.#listed().has(id);
    if (component === undefined || isOthers || isForgotten || this.#touched.has(id)) return undefined;
    const args = listOf(fieldsOf(listOf(fieldsOf(pod["spec"])["containers"])[0])["args"]).map(textOf);
    const flag = args.findLast((arg) => arg.startsWith("--watch-label-selector="));
    return { component, deployment, selector: parseSelector(flag?.slice(flag.indexOf("=") + 1) ?? "") };
  }

  // What is seen.

  #listed(): ReadonlySet<string> {
    return new Set(this.status().inventory?.entries.map(({ id }) => id));
  }

  instance(): KubeObject | undefined {
    return this.server.find("FluxInstance", namespace, "flux");
  }

  status(): FluxInstanceStatus {
    return readStatus(this.instance()?.["status"]);
  }

  /** What the operator has made and is still there. */
  get made(): ReadonlyMap<string, string> {
    return this.#made;
  }

  get statusProblems(): readonly string[] {
    return statusFaults(this.#statuses);
  }

  /** All conditions that were ever told. */
  get conditions(): readonly Condition[] {
    return this.#statuses.flatMap(({ status }) => readStatus(status).conditions);
  }

  /** Objects of others that are no more. */
  get lost(): readonly string[] {
    const uids = new Set(this.server.objects().map(({ metadata }) => metadata.uid));
    return [...this.#foreign].filter(([uid]) => !uids.has(uid)).map(([, name]) => name);
  }

  end(): void {
    this.kill();
  }
}

async function unasked(): Promise<never> {
  throw new Error("no instance of the model has an artifact");
}

/** Not what the operator keeps beside: events, the record of the last good revision. */
function isInstalled({ kind, metadata }: KubeObject): boolean {
  return kind !== "Event" && metadata.name !== lastGoodName && metadata.labels?.[labels.ownerName] !== undefined;
}

/** A pod that runs: of which controller, of which Deployment, and what it reconciles. */
type Running = { readonly component: string; readonly deployment: string; readonly selector: Selector };

/** Labels that objects may have. */
const shardings: readonly Labels[] = [{}, { "sharding.fluxcd.io/key": "a" }, { "sharding.fluxcd.io/key": "b" }];

function isShared(one: Running, two: Running): boolean {
  return shardings.some((found) => matchesSelector(one.selector, found) && matchesSelector(two.selector, found));
}

/** What is wrong with an object although all of `version` is said to be applied, and to be ready where that is waited for. */
function unlike(object: KubeObject, version: string, isWaited: boolean): readonly string[] {
  const has = object.metadata.labels?.["app.kubernetes.io/version"];
  const isOther = has !== undefined && has !== `v${version}` && object.kind !== "CustomResourceDefinition";
  const { status, message } = readinessOf(object);
  const isIll = isWaited && object.kind === "Deployment" && status !== "Current";
  return [
    ...(isOther ? [`${nameObject(object)} is of ${has}, and not of ${version}`] : []),
    ...(isIll ? [`${nameObject(object)}: ${message}`] : []),
  ];
}

function idOf(object: KubeObject): string {
  return formatObjectId(objectIdOf(object));
}

/** What an instance says to be applied and healthy; undefined for one that is not Ready. */
function readyRevision(instance: KubeObject | undefined): string | undefined {
  const { conditions, lastAppliedRevision } = readStatus(instance?.["status"]);
  const ready = conditions.find(({ type }) => type === "Ready");
  return ready?.status === "True" ? `${ready.observedGeneration} ${lastAppliedRevision}` : undefined;
}
