import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { installer } from "../api/installer.ts";
import { fluxInstance, operatorName } from "../api/names.ts";
import { Ledger } from "../apply/ledger.ts";
import type { ApiClient } from "../client/api-client.ts";
import { createApiClient, type OwnedApiClient } from "../client/create-client.ts";
import { loadConnection } from "../client/load-connection.ts";
import { LastGoodStore } from "../controllers/flux-instance/last-good-store.ts";
import { OwnDefinition } from "../controllers/flux-instance/own-definition.ts";
import { fluxInstanceKind, reconcileFluxInstance, type ReconcileDeps } from "../controllers/flux-instance/reconcile.ts";
import { IndexContents } from "../controllers/flux-instance/releases/index-contents.ts";
import { ReleaseSource } from "../controllers/flux-instance/releases/release-source.ts";
import { createFollowedKinds, type FollowedKinds } from "../controllers/flux-instance/wake/followed-kinds.ts";
import { Interrupts, isNewsOf } from "../controllers/flux-instance/wake/interrupts.ts";
import {
  createLiveIndex,
  hasHealth,
  keepWhole,
  keysOfDrift,
  managedSelection,
  watchedKinds,
} from "../controllers/flux-instance/wake/live-index.ts";
import { embeddedVersions, embeddedVex, loadRelease } from "../distribution/load.ts";
import type { GroupVersionKind } from "../kube/gvk.ts";
import { keyOf } from "../kube/object-id.ts";
import type { ObjectKey } from "../kube/object.ts";
import type { Catalogue } from "../render/target.ts";
import { cloudIdentitiesOf } from "../oci/cloud/cloud-identities.ts";
import { withBundles, type ArtifactReads } from "../oci/copy/bundles.ts";
import { proxySettingsOf } from "../oci/proxy.ts";
import { Registry } from "../oci/registry.ts";
import { SignatureChecks } from "../oci/signatures/signature-checks.ts";
import { runController, type ControllerOptions } from "../runtime/controller.ts";
import { createEventRecorder } from "../runtime/events.ts";
import { createInformer, type Informer, type ObjectChange } from "../runtime/informer.ts";
import { createLeaderElection, type LeaderElection } from "../runtime/leader-election.ts";
import type { Logger } from "../runtime/log.ts";
import { runManager, type Runnable, type StartStep } from "../runtime/manager.ts";
import { createMetrics, type Metrics } from "../runtime/metrics.ts";
import { createTaskGroup, type TaskGroup } from "../runtime/task-group.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import type { Random } from "../std/backoff.ts";
import { systemClock, unsuspendedClock, type Clock } from "../std/clock.ts";
import { operatorVersion } from "../std/version.ts";
import { candidateOf } from "./candidate.ts";
import type { Config, LeaseConfig } from "./config.ts";
import { withNotifications } from "./notifications.ts";
import { addOperatorMetrics } from "./operator-metrics.ts";
import { probesAndMetrics } from "./probes.ts";
import { runnable } from "./runnables.ts";
import { startOrder } from "./start-order.ts";

const controllerName = "fluxinstance";
/** The name that the Go operator uses in metrics. */
const artifactControllerName = "fluxinstance_artifact";
const base = { clock: systemClock, leaseClock: unsuspendedClock, random: Math.random };
const embedded: Catalogue = { versions: embeddedVersions, load: loadRelease, vex: embeddedVex };

/** Constructs everything once, and runs it until the signal is aborted. Throws ConnectionConfigError, and what ends the manager. */
export async function runOperator(config: Config, log: Logger, signal: AbortSignal): Promise<void> {
  const metrics = createMetrics();
  const connection = await loadConnection({ ...config, clock: systemClock });
  const userAgent = `${operatorName}/${operatorVersion}`;
  const client = createApiClient({ connection, userAgent, clock: systemClock, observe: metrics.forRequests });
  const [proxy, identities] = [proxySettingsOf(config.env), cloudIdentitiesOf(config.env)];
  const registry = new Registry({ ...base, userAgent, proxy, identities });
  const artifacts = withBundles(registry, { ...base, folder: config.bundles });
  try {
    const { certificates } = registry;
    const parts = { ...base, config, log, metrics, client, registry: { ...artifacts, certificates }, embedded };
    await runManager(wire(parts), { log, clock: systemClock }, signal);
  } finally {
    await Promise.all([client.close(), registry.close()]);
  }
}

/** All that the operator is made of and that reaches outside of the process. */
export type Parts = {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly client: OwnedApiClient;
  readonly registry: ArtifactReads & Pick<Registry, "certificates">;
  readonly embedded: Catalogue;
  readonly clock: Clock;
  /** The same, but it goes on while the machine is suspended: by it a lease ends. */
  readonly leaseClock: Clock;
  readonly random: Random;
};

/** The steps in which the operator starts: its probes first, and what reconciles last. */
export function wire(parts: Parts): readonly StartStep[] {
  const { config, log, metrics, clock, random } = parts;
  const election = config.leaderElection === undefined ? undefined : elect(parts, config.leaderElection);
  const client = election === undefined ? parts.client : parts.client.guardWrites(() => election.assertLeading());
  const queue = queueOf(controllerName, parts);
  const ledger = new Ledger();
  const interrupts = new Interrupts();
  const { instances, managed, whenPresent, followed } = watchAll(parts, { queue, ledger, interrupts });
  const recorder = createEventRecorder({ clock, random, client, component: operatorName, log });
  const events = withNotifications(recorder, instances, parts);
  const { poller, ...artifacts } = watchArtifacts({ ...parts, client }, queue, interrupts);
  const deps = {
    clock,
    client,
    installer,
    ledger,
    interrupts,
    events,
    liveIndex: createLiveIndex(managed, followed),
    followed,
    ...artifacts,
    ...readersOf(client),
    ownNamespace: config.namespace,
    overrideManagers: config.overrideManagers,
  };
  const times = addOperatorMetrics(metrics, {
    instances,
    informers: () => [instances, ...managed, ...followed.informers],
    registry: parts.registry,
    ownNamespace: config.namespace,
    clock,
  });
  const controller = controllerOf(
    { name: controllerName, queue, workers: config.concurrent },
    parts,
    (key, lines, signal) => times.note(key, reconcileFluxInstance(key, deps, lines, signal)),
  );
  const writers = [runnable("events", events), whenPresent, controller, poller];
  return startOrder(probesAndMetrics({ ...parts, election, informers: [instances, ...managed], followed }), {
    election,
    instances,
    managed,
    writers,
  });
}

/** What a reconcile reads besides the instance. */
function readersOf(client: ApiClient): Pick<ReconcileDeps, "lastGood" | "ownDefinition"> {
  return { lastGood: new LastGoodStore(client), ownDefinition: new OwnDefinition(client, fluxInstanceKind) };
}

type Watches = {
  readonly instances: Informer;
  readonly managed: readonly Informer[];
  readonly whenPresent: TaskGroup;
  readonly followed: FollowedKinds;
};

function watchAll(
  parts: Parts,
  { queue, ledger, interrupts }: { queue: WorkQueue; ledger: Ledger; interrupts: Interrupts },
): Watches {
  const instances = watchInstances(parts, queue, interrupts);
  const onTrouble = (): void => instances.list().forEach((instance) => queue.add(keyOf(instance)));
  const watch = (gvk: GroupVersionKind): Informer => watchManaged(gvk, parts, { queue, ledger, onTrouble });
  const whenPresent = createTaskGroup("watches of Flux's own kinds");
  const followed = createFollowedKinds(whenPresent, watch);
  return { instances, managed: watchedKinds.map(watch), whenPresent, followed };
}

function watchInstances(parts: Parts, queue: WorkQueue, interrupts: Interrupts): Informer {
  const { client, log, metrics, clock, random } = parts;
  const keysOf = (change: ObjectChange): readonly ObjectKey[] => {
    const { metadata } = change.object;
    interrupts.notify(change.object);
    const isNews = change.kind !== "updated" || isNewsOf(change.previous, change.object);
    return isNews ? [{ namespace: metadata.namespace ?? "", name: metadata.name }] : [];
  };
  return createInformer({
    clock,
    random,
    client,
    gvk: fluxInstanceKind,
    selection: {},
    routes: [{ queue, keysOf }],
    onCorrections: (changes) => metrics.corrected(fluxInstance.kind, changes),
    log,
  });
}

/** What a watch of a managed kind tells. All instances must say which kinds cannot be watched. */
type Managed = { readonly queue: WorkQueue; readonly ledger: Ledger; readonly onTrouble: () => void };

function watchManaged(
  gvk: GroupVersionKind,
  { config, client, log, metrics, clock, random }: Parts,
  { queue, ledger, onTrouble }: Managed,
): Informer {
  return createInformer({
    clock,
    random,
    client,
    gvk,
    selection: { ...managedSelection(config.namespace), metadataOnly: !hasHealth(gvk) },
    routes: [{ queue, keysOf: (change) => keysOfDrift(change, ledger) }],
    keep: keepWhole,
    onCorrections: (changes) => metrics.corrected(gvk.kind, changes),
    onTrouble,
    log,
  });
}

type ArtifactWatch = {
  readonly releases: ReleaseSource;
  readonly indexContents: IndexContents;
  readonly signatures: SignatureChecks;
  readonly poller: Runnable;
};

/** Artifacts are polled by a queue of their own, so that an unavailable registry delays no reconcile. */
function watchArtifacts(
  parts: Omit<Parts, "client"> & { readonly client: ApiClient },
  queue: WorkQueue,
  interrupts: Interrupts,
): ArtifactWatch {
  const { client, registry, embedded, random } = parts;
  const polls = queueOf(artifactControllerName, parts);
  const signatures = new SignatureChecks(registry);
  const releases = new ReleaseSource({
    random,
    client,
    registry,
    signatures,
    polls,
    jitter: parts.config.intervalJitter,
    embedded,
    onChange: (key, moved) => {
      if (moved) interrupts.interrupt(key);
      queue.add(key);
    },
  });
  const poller = controllerOf({ name: artifactControllerName, queue: polls, workers: 1 }, parts, (key, log, signal) =>
    releases.poll(key, log, signal),
  );
  return { releases, signatures, indexContents: new IndexContents({ client, registry }), poller };
}

function queueOf(name: string, { config, metrics, clock }: Pick<Parts, "config" | "metrics" | "clock">): WorkQueue {
  return new WorkQueue({
    clock,
    backoff: { baseMs: config.minRetryDelayMs, maxMs: config.maxRetryDelayMs },
    // Drift of many objects is repaired at once; whoever undoes every repair, as Argo CD does 49 times a second, is answered once a second.
    pace: { burst: 300, everyMs: 1_000 },
    observer: metrics.forQueue(name),
  });
}

function controllerOf(
  controller: Pick<ControllerOptions, "name" | "queue" | "workers">,
  { config, log, metrics, clock, random }: Pick<Parts, "config" | "log" | "metrics" | "clock" | "random">,
  reconcile: ControllerOptions["reconcile"],
): Runnable {
  const observer = metrics.forController(controller.name, controller.workers);
  const options = {
    clock,
    random,
    ...controller,
    reconcile,
    log,
    createId: randomUUID,
    recheckJitter: config.intervalJitter,
    observer,
  };
  return { name: controller.name, run: (signal) => runController(options, signal) };
}

function elect({ config, client, log, metrics, leaseClock }: Parts, lease: LeaseConfig): LeaderElection {
  metrics.leading(operatorName, false);
  return createLeaderElection({
    ...lease,
    client,
    lease: { namespace: config.namespace, name: operatorName },
    ...candidateOf(config, { host: hostname(), unique: randomUUID() }),
    fieldManager: operatorName,
    clock: leaseClock,
    log,
    onChange: (leading) => metrics.leading(operatorName, leading),
  });
}
