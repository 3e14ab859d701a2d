// Tests: test/integration/migration.test.ts, test/long/migration.test.ts
import type { ApiClient, ObjectPatch } from "../../client/api-client.ts";
import { ApiError, isConflict, isNotFound } from "../../client/api-error.ts";
import { storageHash } from "../../client/discovery.ts";
import { pages } from "../../client/pages.ts";
import { definedKind, storedAs, storedKind, type DefinedKind } from "../../kube/definition.ts";
import { gvkOf } from "../../kube/gvk.ts";
import { nameObject, keyOf } from "../../kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import type { Clock } from "../../std/clock.ts";
import { mapConcurrent } from "../../std/concurrent.ts";
import { errorMessage, ReasonedError } from "../../std/errors.ts";
import type { Installer } from "../installer.ts";
import type { Ledger } from "../ledger.ts";
import { maxConflicts, pauseAfterConflict, requestLimit } from "../request.ts";
import { rewriteManagedFields, type Migration } from "./bridge.ts";

/** A client that lists and patches all objects of a kind; the ledger records the bridges. */
export type MigrateDeps = {
  readonly client: Pick<ApiClient, "getOrUndefined" | "apply" | "patch" | "listPage" | "discovery">;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly installer: Installer;
};

/** Progress, after each kind of which all objects are stored in its storage version. `objects` counts those of all kinds so far. */
export type MigrationProgress = { readonly kinds: number; readonly of: number; readonly objects: number };

/** When to stop early, and where to report. */
export type MigrateOptions = {
  /** Aborted when the instance changes: the migration ends early, and continues when it is needed again. */
  readonly interrupt: AbortSignal;
  readonly onProgress: (progress: MigrationProgress) => Promise<void>;
};

/** Stored objects cannot, or must not, be moved to the desired version. Those that were moved are served as before. */
export class MigrationError extends ReasonedError {}

/**
 * How long the API servers of one control plane may take to learn of a changed CRD. kube-apiserver itself waits so long before it calls a CRD
 * Established where there are several of them (apiextensions establishing_controller.go).
 */
const spreadMs = 5_000;
const effectiveWithinMs = 30_000;
const pollMs = 100;

/**
 * Brings every CRD of `migrations` to where the desired one can be applied: bridge, objects and managedFields at the new storage version,
 * `storedVersions` trimmed. It keeps no record: after a crash it finds in the cluster what is left to do, and writing what is done already
 * changes nothing. Throws MigrationError, and as ApiClient.
 */
export async function migrate(
  migrations: readonly (Migration & { readonly definition: KubeObject })[],
  options: MigrateOptions,
  deps: MigrateDeps,
  signal: AbortSignal,
): Promise<void> {
  const { fieldManager } = deps.installer;
  const bridges = migrations.flatMap(({ bridge }) => (bridge === undefined ? [] : [bridge]));
  await mapConcurrent(bridges, requestLimit, async (bridge) => {
    deps.ledger.record(bridge, await deps.client.apply(bridge, { fieldManager }, signal));
  });
  const moving = migrations.filter(({ bridge, droppedStored }) => bridge !== undefined || droppedStored.length > 0);
  for (const { kind } of moving) await untilStoredIn(kind, deps, signal);
  if (moving.length > 0) await deps.clock.sleep(spreadMs, signal);
  let objects = 0;
  for (const [index, { kind, droppedStored, definition }] of migrations.entries()) {
    const all = droppedStored.length > 0;
    const rewritten = await rewriteObjects(kind, { all, interrupt: options.interrupt }, deps, signal);
    if (options.interrupt.aborted) return;
    if (all) await trimStoredVersions(definition, kind, deps, signal);
    objects += rewritten;
    if (rewritten > 0) await options.onProgress({ kinds: index + 1, of: migrations.length, objects });
  }
}

/**
 * Rewrites managedFields that name versions which are no longer served: clients may write some until the very end. Throws MigrationError, and
 * as ApiClient.
 */
export async function rewriteStrays(
  definitions: readonly KubeObject[],
  deps: MigrateDeps,
  signal: AbortSignal,
): Promise<void> {
  const interrupt = new AbortController().signal;
  for (const definition of definitions) {
    await rewriteObjects(definedKind(definition), { all: false, interrupt }, deps, signal);
  }
}

/**
 * Moves objects that may be stored in another version to the storage version, and trims `storedVersions` to that. Nothing needs this now; it
 * makes the next upgrade easier. Throws MigrationError, and as ApiClient.
 */
export async function consolidateStorage(
  definitions: readonly KubeObject[],
  deps: MigrateDeps,
  signal: AbortSignal,
): Promise<void> {
  const found = await mapConcurrent(definitions, requestLimit, (definition) =>
    deps.client.getOrUndefined(gvkOf(definition), keyOf(definition), signal),
  );
  const scattered = found.filter((live) => live !== undefined).filter((live) => !isConsolidated(definedKind(live)));
  if (scattered.length === 0) return;
  for (const live of scattered) await untilStoredIn(definedKind(live), deps, signal);
  await deps.clock.sleep(spreadMs, signal);
  const interrupt = new AbortController().signal;
  for (const live of scattered) {
    const kind = definedKind(live);
    await rewriteObjects(kind, { all: true, interrupt }, deps, signal);
    await trimStoredVersions(live, kind, deps, signal);
  }
}

function isConsolidated({ stored, storage }: DefinedKind): boolean {
  return stored.every((version) => version === storage);
}

/** Waits until the API server that answers stores objects of the kind in the storage version. */
async function untilStoredIn(kind: DefinedKind, { client, clock }: MigrateDeps, signal: AbortSignal): Promise<void> {
  const startMs = clock.monotonicMs();
  const gvk = storedKind(kind);
  for (;;) {
    client.discovery.invalidate(kind.group);
    const served = await client.discovery.find(gvk, signal);
    if (served !== undefined && (served.storageVersionHash ?? storageHash(gvk)) === storageHash(gvk)) return;
    if (clock.monotonicMs() - startMs >= effectiveWithinMs) {
      throw failed(`store ${kind.kind} as ${storedAs(kind)}`, "the API server does not serve the updated CRD yet");
    }
    await clock.sleep(pollMs, signal);
  }
}

type MoveDeps = Pick<MigrateDeps, "client" | "clock" | "installer">;

type Rewrite = {
  /** Write each object, so that it is stored in the storage version; else only those whose managedFields name other versions. */
  readonly all: boolean;
  readonly interrupt: AbortSignal;
};

/** Resolves to how many objects were written. A page is the unit of interruption. */
async function rewriteObjects(
  kind: DefinedKind,
  { all, interrupt }: Rewrite,
  deps: MoveDeps,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  const gvk = storedKind(kind);
  for await (const page of pages(gvk, { metadataOnly: true }, deps.client, signal)) {
    if (interrupt.aborted) return count;
    const due = page.items.filter((item) => all || strays(item, kind, deps.installer) !== undefined);
    await mapConcurrent(due, requestLimit, (item) => rewrite(item, kind, deps, signal));
    count += due.length;
  }
  return count;
}

/**
 * Every write stores an object in the storage version, even one that changes nothing. A write that adds the defaults of that version is
 * followed by one that gives up owning them.
 */
async function rewrite(
  item: KubeObject,
  kind: DefinedKind,
  { client, clock, installer }: MoveDeps,
  signal: AbortSignal,
): Promise<void> {
  const { migrationManager } = installer;
  const ref = { gvk: storedKind(kind), key: keyOf(item) };
  let live = item;
  for (let attempt = 1; attempt <= maxConflicts; attempt += 1) {
    try {
      live = await client.patch(ref, rewriting(live, kind, installer), { fieldManager: migrationManager }, signal);
      if (strays(live, kind, installer) === undefined) return;
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isConflict(error)) throw error instanceof ApiError ? notStored(item, kind, error) : error;
      await pauseAfterConflict(attempt, clock, signal);
      const fresh = await client.getOrUndefined(ref.gvk, ref.key, signal);
      if (fresh === undefined) return;
      live = fresh;
    }
  }
  throw failed(
    `store ${nameObject(item)} as ${storedAs(kind)}`,
    `gave up after ${maxConflicts} conflicts: another client keeps updating it`,
  );
}

/** The resourceVersion makes sure that no managedFields are lost that another client writes at the same moment. */
function rewriting(live: KubeObject, kind: DefinedKind, installer: Installer): ObjectPatch {
  const value = strays(live, kind, installer);
  if (value === undefined) return { kind: "merge", value: {} };
  const operations: readonly JsonObject[] = [
    { op: "replace", path: "/metadata/resourceVersion", value: live.metadata.resourceVersion ?? "" },
    { op: "replace", path: "/metadata/managedFields", value },
  ];
  return { kind: "json", operations };
}

function strays(
  { metadata }: KubeObject,
  kind: DefinedKind,
  installer: Installer,
): ReturnType<typeof rewriteManagedFields> {
  return rewriteManagedFields(metadata.managedFields ?? [], kind, installer);
}

/** The resourceVersion makes sure that the storage version is still the one in which the objects were written. */
async function trimStoredVersions(
  definition: KubeObject,
  kind: DefinedKind,
  { client, clock, installer: { fieldManager } }: MoveDeps,
  signal: AbortSignal,
): Promise<void> {
  const ref = { gvk: gvkOf(definition), key: keyOf(definition) };
  for (let attempt = 1; ; attempt += 1) {
    const live = await client.getOrUndefined(ref.gvk, ref.key, signal);
    if (live === undefined) return;
    if (definedKind(live).storage !== kind.storage) {
      throw failed(`store ${kind.kind} as ${storedAs(kind)}`, `another client has changed ${nameObject(live)}`);
    }
    const { resourceVersion = "" } = live.metadata;
    const value = { metadata: { resourceVersion }, status: { storedVersions: [kind.storage] } };
    try {
      await client.patch(ref, { kind: "merge", value }, { fieldManager, subresource: "status" }, signal);
      return;
    } catch (error) {
      if (!isConflict(error) || attempt === maxConflicts) throw error;
      await pauseAfterConflict(attempt, clock, signal);
    }
  }
}

function notStored(object: KubeObject, kind: DefinedKind, error: ApiError): MigrationError {
  return failed(
    `store ${nameObject(object)} as ${storedAs(kind)}`,
    `the API server refuses it: ${error.statusMessage || errorMessage(error)}; correct the object, then the upgrade continues`,
    error,
  );
}

function failed(what: string, why: string, cause?: unknown): MigrationError {
  return new MigrationError({
    reason: "ReconciliationFailed",
    retry: "backoff",
    message: `Cannot ${what}: ${why}`,
    cause,
  });
}
