import { orAborted } from "../client/abort.ts";
import type { ApiClient, Selection } from "../client/api-client.ts";
import type { GroupVersionKind } from "../kube/gvk.ts";
import type { KubeObject, ObjectKey } from "../kube/object.ts";
import type { Random } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { runListWatch } from "./list-watch.ts";
import type { ListWatchLimits } from "./list-watch.ts";
import type { Logger } from "./log.ts";
import { ObjectStore } from "./object-store.ts";
import type { ObjectChange } from "./object-store.ts";
import { WatchHealth, isDenial, type WatchTrouble } from "./watch-trouble.ts";
import type { WorkQueue } from "./work-queue.ts";

export type { ObjectChange } from "./object-store.ts";

/** Which keys a change concerns, and the queue that they go into. An informer does nothing else with a change. */
export type Route = {
  readonly queue: Pick<WorkQueue, "add">;
  /** Empty when the change is of no interest. Compares `previous` and `object` if it likes; must not block or keep them. */
  readonly keysOf: (change: ObjectChange) => readonly ObjectKey[];
};

/** Which objects of one kind to keep, and which queues their changes go into. */
export type InformerOptions = {
  readonly client: Pick<ApiClient, "list" | "watch">;
  readonly gvk: GroupVersionKind;
  readonly selection: Selection;
  readonly routes: readonly Route[];
  /** What is kept of an object; by default all but managedFields. */
  readonly keep?: (object: KubeObject) => KubeObject;
  /** Called with the number of changes that a later list has found and no watch has reported. */
  readonly onCorrections?: (changes: number) => void;
  /** Called when the kind cannot be listed or watched, for another reason than before, or when it can again. */
  readonly onTrouble?: (trouble: WatchTrouble | undefined) => void;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: Partial<ListWatchLimits>;
};

/** A local copy of the selected objects that is kept up to date while `run` runs. */
export type Informer = {
  readonly gvk: GroupVersionKind;
  /** The last seen state; may lag behind the API server. */
  get(key: ObjectKey): KubeObject | undefined;
  list(): readonly KubeObject[];
  readonly hasSynced: boolean;
  /** Whether `list` is all there is, up to the lag of a watch: false before the first list, and from any failure until a watch is accepted. */
  readonly isTrusted: boolean;
  /** Why the kind cannot be listed or watched, when that is more than a passing failure. */
  readonly trouble: WatchTrouble | undefined;
  /** Resolves after the first whole list; rejects with the signal's reason. */
  synced(signal: AbortSignal): Promise<void>;
  /** Resolves when `synced` does, or when the API server refuses to list the kind. */
  answered(signal: AbortSignal): Promise<void>;
  /** Milliseconds since the API server was last heard (an answer of any status, an event, a bookmark), from creation on. */
  silentMs(): number;
  /** Resolves once the signal is aborted; never rejects for what the API server does. */
  run(signal: AbortSignal): Promise<void>;
};

/** An informer of the kind `gvk`. It makes no request before `run`. */
export function createInformer(options: InformerOptions): Informer {
  const { clock, gvk } = options;
  const store = new ObjectStore({ keep: options.keep ?? withoutManagedFields });
  const firstList = Promise.withResolvers<void>();
  const firstAnswer = Promise.withResolvers<void>();
  const health = new WatchHealth(clock, (trouble) => options.onTrouble?.(trouble));
  let hasSynced = false;
  let heardMs = clock.monotonicMs();
  const notify = (changes: readonly ObjectChange[]): void => {
    for (const change of changes) route(options, change);
  };
  const sink = {
    replace: (objects: readonly KubeObject[]) => {
      const changes = store.replace(objects);
      if (hasSynced) options.onCorrections?.(changes.length);
      hasSynced = true;
      firstList.resolve();
      firstAnswer.resolve();
      notify(changes);
    },
    put: (object: KubeObject) => notify(store.put(object)),
    remove: (object: KubeObject) => notify(store.remove(object)),
    contact: () => {
      heardMs = clock.monotonicMs();
    },
    watching: () => health.works(),
    failed: (error: unknown) => {
      health.failed(error);
      if (isDenial(error)) firstAnswer.resolve();
    },
  };
  return {
    gvk,
    get: (key) => store.get(key),
    list: () => store.list(),
    get hasSynced() {
      return hasSynced;
    },
    get isTrusted() {
      return hasSynced && !health.isInDoubt;
    },
    get trouble() {
      return health.trouble;
    },
    answered: (signal) => orAborted(firstAnswer.promise, signal),
    synced: (signal) => orAborted(firstList.promise, signal),
    silentMs: () => clock.monotonicMs() - heardMs,
    run: (signal) => runListWatch({ ...options, sink }, signal),
  };
}

function route({ routes, log, gvk }: InformerOptions, change: ObjectChange): void {
  for (const { queue, keysOf } of routes) {
    try {
      for (const key of keysOf(change)) queue.add(key);
    } catch (error) {
      log.error("Cannot tell which keys a change concerns", {
        kind: gvk.kind,
        name: change.object.metadata.name,
        error,
      });
    }
  }
}

function withoutManagedFields(object: KubeObject): KubeObject {
  if (object.metadata.managedFields === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}
