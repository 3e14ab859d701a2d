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
import { requestLimit } from "../request.ts";
import { rewriteManagedFields, type Migration } from "./bridge.ts";

export type MigrateDeps = {
  readonly client: Pick<ApiClient, "getOrUndefined" | "apply" | "patch" | "listPage" | "discovery">;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly installer: Installer;
};

/** Called when all objects of a kind lie in its storage version. `objects` counts those of all kinds so far. */
export type MigrationProgress = { readonly kinds: number; readonly of: number; readonly objects: number };

export type MigrateOptions = {
  /** Aborted when something newer is wanted: the migration ends early, and is taken up where it is needed again. */
  readonly interrupt: AbortSignal;
  readonly onProgress: (progress: MigrationProgress) => Promise<void>;
};

/** Stored objects cannot be brought to the version in which they are wanted. What has been brought there is served as before. */
export class MigrationError extends ReasonedError {}

/**
 * How long the API servers of one control plane may take to learn of a changed definition. kube-apiserver itself waits so long
 * before it calls a definition Established where there are several of them (apiextensions establishing_controller.go).
 */
const spreadMs = 5_000;
const effectiveWithinMs = 30_000;
const pollMs = 100;
const maxConflicts = 10;

/**
 * Brings every definition of `migrations` to where its wanted successor can be applied: bridge, objects and managedFields at the new
 * storage version, `storedVersions` trimmed. Nothing is remembered: begun anew after a crash, it finds what is left to do in the
 * cluster, and writing what is done already changes nothing. Throws MigrationError.
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

/** Rewrites what is left at versions that are no longer served, of which whoever writes objects may leave some until the very end. */
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
 * Brings objects that may still lie in another version than the storage version to that, and has `storedVersions` say so: nothing
 * that is needed now, but the next upgrade has it easier.
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

/** Waits until the API server that answers writes objects of the kind in the storage version. */
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

type Rewrite = {
  /** Write each object, so that it lies in the storage version; else only those whose managedFields name other versions. */
  readonly all: boolean;
  readonly interrupt: AbortSignal;
};

/** Resolves to how many objects were written. A page is the unit of interruption. */
async function rewriteObjects(
  kind: DefinedKind,
  { all, interrupt }: Rewrite,
  { client, installer }: Pick<MigrateDeps, "client" | "installer">,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  const gvk = storedKind(kind);
  for await (const page of pages(gvk, { metadataOnly: true }, client, signal)) {
    if (interrupt.aborted) return count;
    const due = page.items.filter((item) => all || strays(item, kind, installer) !== undefined);
    await mapConcurrent(due, requestLimit, (item) => rewrite(item, kind, { client, installer }, signal));
    count += due.length;
  }
  return count;
}

/**
 * Every write stores an object anew, in the storage version, even one that changes nothing. A write that adds the defaults of that
 * version is followed by one that gives up owning them.
 */
async function rewrite(
  item: KubeObject,
  kind: DefinedKind,
  { client, installer }: Pick<MigrateDeps, "client" | "installer">,
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

/** The resourceVersion makes sure that no managedFields are lost that somebody else writes at the same moment. */
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
  { client, installer: { fieldManager } }: Pick<MigrateDeps, "client" | "installer">,
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
