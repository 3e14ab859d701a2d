import type { WatchEvent } from "../../client/api-client.ts";
import { groupKindKey, gvkOf, type GroupVersionKind } from "../../kube/gvk.ts";
import { formatObjectId, nameObject, objectIdOf } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import { readinessOf } from "../../kube/readiness.ts";
import { shorten } from "../../std/shorten.ts";
import type { Installer } from "../installer.ts";
import type { Ledger } from "../ledger.ts";
import { troubleOf } from "./stuck-pods.ts";

/** One object that is not ready, and why. */
export type Unready = { readonly object: string; readonly message: string };

/**
 * What is known of all objects together. `drifted`: another client has deleted an object, taken the labels by which it is selected, or
 * changed one that is not ready. `failed`: one will not become ready by waiting.
 */
export type Verdict = "open" | "ready" | "drifted" | "failed";

/** How pods are found, and what was written last of the objects that are waited for. */
export type HealthDeps = {
  readonly installer: Pick<Installer, "podSelector">;
  readonly ledger: Pick<Ledger, "isEdited">;
};

/** The state of the objects that are waited for, and the verdict that follows from it. */
export class HealthBoard {
  readonly #wanted: ReadonlyMap<string, KubeObject>;
  readonly #podSelector: string;
  readonly #ledger: HealthDeps["ledger"];
  readonly #mostPatienceMs: number;
  readonly #live = new Map<string, KubeObject>();
  readonly #pods = new Map<string, KubeObject>();
  readonly #replicaSets = new Map<string, KubeObject>();
  /** Since when each trouble stands, by object and message. */
  #since: ReadonlyMap<string, number> = new Map();
  readonly #listed = new Set<string>();
  readonly #kinds: number;

  /** `timeoutMs` is how long the objects are waited for at most; no trouble may stand for more than half of that. */
  constructor(objects: readonly KubeObject[], { installer, ledger }: HealthDeps, timeoutMs: number) {
    this.#wanted = new Map(objects.map((object) => [formatObjectId(objectIdOf(object)), object]));
    this.#podSelector = installer.podSelector;
    this.#ledger = ledger;
    this.#mostPatienceMs = timeoutMs / 2;
    this.#kinds = new Set(objects.map((object) => groupKindKey(gvkOf(object)))).size;
  }

  /**
   * Namespace and label selector to list and watch a kind with. Pods and ReplicaSets do not carry the owner labels, so they are found by the
   * installer's selector.
   */
  selectionOf(gvk: GroupVersionKind, labelSelector: string): { namespace?: string; labelSelector?: string } {
    const namespaces = new Set([...this.#wanted.values()].map((object) => object.metadata.namespace ?? ""));
    namespaces.delete("");
    const [namespace] = namespaces;
    const within = namespaces.size === 1 && namespace !== undefined ? { namespace } : {};
    if (isSurrounding(gvk.kind)) return { ...within, labelSelector: this.#podSelector };
    return { ...(this.#isNamespaced(gvk) ? within : {}), labelSelector };
  }

  /** Takes in a complete list of one kind. */
  replace(gvk: GroupVersionKind, items: readonly KubeObject[]): void {
    const target = this.#mapOf(gvk.kind);
    for (const [id, object] of target) if (object.kind === gvk.kind) target.delete(id);
    for (const item of items) target.set(formatObjectId(objectIdOf(item)), item);
    if (!isSurrounding(gvk.kind)) this.#listed.add(groupKindKey(gvk));
  }

  /** Takes in one event of a watch. */
  see(event: WatchEvent): void {
    if (event.kind === "bookmark") return;
    const target = this.#mapOf(event.object.kind);
    const id = formatObjectId(objectIdOf(event.object));
    if (event.kind === "deleted") target.delete(id);
    else target.set(id, event.object);
  }

  /** What follows at `nowMs`, monotonic; asked after each piece of news and now and then. Open until every kind has been listed. */
  verdict(nowMs: number): Verdict {
    if (this.#listed.size < this.#kinds) return "open";
    const ill = this.#ill();
    this.#since = new Map(ill.map((one) => [keyOf(one), this.#since.get(keyOf(one)) ?? nowMs]));
    if (ill.length === 0) return "ready";
    if (ill.some(({ state }) => state === "drifted")) return "drifted";
    return ill.some((one) => one.state === "failed" || this.#isOver(one, nowMs)) ? "failed" : "open";
  }

  /** Sorted by name, so that the same state reads the same. */
  unready(): readonly Unready[] {
    const found = this.#ill().map(({ object, message }) => ({ object, message }));
    return found.toSorted((left, right) => (left.object < right.object ? -1 : 1));
  }

  #isOver(one: Ill, nowMs: number): boolean {
    if (one.graceMs === undefined) return false;
    return nowMs - (this.#since.get(keyOf(one)) ?? nowMs) >= Math.min(one.graceMs, this.#mostPatienceMs);
  }

  #mapOf(kind: string): Map<string, KubeObject> {
    if (kind === "Pod") return this.#pods;
    return kind === "ReplicaSet" ? this.#replicaSets : this.#live;
  }

  #isNamespaced(gvk: GroupVersionKind): boolean {
    return [...this.#wanted.values()].some(
      (object) => object.kind === gvk.kind && object.metadata.namespace !== undefined,
    );
  }

  #ill(): readonly Ill[] {
    return [...this.#wanted].flatMap(([id, wanted]) => this.#judge(wanted, this.#live.get(id)) ?? []);
  }

  /** Undefined for an object that is ready. */
  #judge(wanted: KubeObject, live: KubeObject | undefined): Ill | undefined {
    const object = nameObject(wanted);
    if (live === undefined) return { object, message: "is missing", state: "drifted" };
    const { status, message } = readinessOf(live);
    if (status === "Current") return undefined;
    if (this.#ledger.isEdited(live)) return { object, message: "was changed by another client", state: "drifted" };
    const surroundings = { replicaSets: [...this.#replicaSets.values()], pods: [...this.#pods.values()] };
    const trouble = live.kind === "Deployment" ? troubleOf(live, surroundings) : undefined;
    const graceMs = status === "InProgress" ? trouble?.graceMs : undefined;
    return {
      object,
      message: trouble?.message ?? message,
      state: status === "Failed" ? "failed" : "progressing",
      ...(graceMs === undefined ? {} : { graceMs }),
    };
  }
}

/** `graceMs`: how long what is wrong may stand. */
type Ill = Unready & { readonly state: "drifted" | "failed" | "progressing"; readonly graceMs?: number };

function keyOf({ object, message }: Ill): string {
  return `${object} ${message}`;
}

/** Kinds that are not waited for and tell why others are not ready. */
function isSurrounding(kind: string): boolean {
  return kind === "Pod" || kind === "ReplicaSet";
}

/** So many characters are for a person to read; objects that do not fit are counted. */
const readable = 300;

/** "Deployment/flux-system/source-controller: 0 of 1 replicas available; ...", as many as can be read, then how many more there are. */
export function formatUnready(unready: readonly Unready[]): string {
  const lines = unready.map(({ object, message }) => `${object}: ${message}`);
  const lengths = lines.map((_, index) => lines.slice(0, index + 1).join("; ").length);
  const fitting = lengths.filter((length) => length <= readable).length;
  return shorten(lines, Math.max(1, fitting)).join("; ");
}
