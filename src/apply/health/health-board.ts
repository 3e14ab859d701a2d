import type { WatchEvent } from "../../client/api-client.ts";
import { groupKindKey, gvkOf, type GroupVersionKind } from "../../kube/gvk.ts";
import { formatObjectId, nameObject, objectIdOf } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import { readinessOf } from "../../kube/readiness.ts";
import { shorten } from "../../std/shorten.ts";
import type { Installer } from "../installer.ts";
import { stuckReason } from "./stuck-pods.ts";

/** One object that is not ready, and why. */
export type Unready = { readonly object: string; readonly message: string };

/**
 * What is known of all objects together. `missing`: an object was deleted, or lost the labels by which it is selected. `failed`: one will not
 * become ready by waiting.
 */
export type Verdict = "open" | "ready" | "missing" | "failed";

/** The state of the objects that are waited for, and the verdict that follows from it. */
export class HealthBoard {
  readonly #wanted: ReadonlyMap<string, KubeObject>;
  readonly #podSelector: string;
  readonly #live = new Map<string, KubeObject>();
  readonly #pods = new Map<string, KubeObject>();
  readonly #listed = new Set<string>();
  readonly #kinds: number;

  constructor(objects: readonly KubeObject[], { podSelector }: Pick<Installer, "podSelector">) {
    this.#wanted = new Map(objects.map((object) => [formatObjectId(objectIdOf(object)), object]));
    this.#podSelector = podSelector;
    this.#kinds = new Set(objects.map((object) => groupKindKey(gvkOf(object)))).size;
  }

  /**
   * Namespace and label selector to list and watch a kind with. Pods do not carry the owner labels, so they are found by the installer's
   * selector.
   */
  selectionOf(gvk: GroupVersionKind, labelSelector: string): { namespace?: string; labelSelector?: string } {
    const namespaces = new Set([...this.#wanted.values()].map((object) => object.metadata.namespace ?? ""));
    namespaces.delete("");
    const [namespace] = namespaces;
    const within = namespaces.size === 1 && namespace !== undefined ? { namespace } : {};
    if (gvk.kind === "Pod") return { ...within, labelSelector: this.#podSelector };
    return { ...(this.#isNamespaced(gvk) ? within : {}), labelSelector };
  }

  /** Takes in a complete list of one kind. */
  replace(gvk: GroupVersionKind, items: readonly KubeObject[]): void {
    const target = gvk.kind === "Pod" ? this.#pods : this.#live;
    for (const [id, object] of target) if (object.kind === gvk.kind) target.delete(id);
    for (const item of items) target.set(formatObjectId(objectIdOf(item)), item);
    if (gvk.kind !== "Pod") this.#listed.add(groupKindKey(gvk));
  }

  /** Takes in one event of a watch. */
  see(event: WatchEvent): void {
    if (event.kind === "bookmark") return;
    const target = event.object.kind === "Pod" ? this.#pods : this.#live;
    const id = formatObjectId(objectIdOf(event.object));
    if (event.kind === "deleted") target.delete(id);
    else target.set(id, event.object);
  }

  /** Open until every kind has been listed. */
  verdict(): Verdict {
    if (this.#listed.size < this.#kinds) return "open";
    const ill = this.#ill();
    if (ill.length === 0) return "ready";
    if (ill.some(({ state }) => state === "missing")) return "missing";
    return ill.some(({ state }) => state === "failed") ? "failed" : "open";
  }

  /** Sorted by name, so that the same state reads the same. */
  unready(): readonly Unready[] {
    const found = this.#ill().map(({ object, message }) => ({ object, message }));
    return found.toSorted((left, right) => (left.object < right.object ? -1 : 1));
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
    if (live === undefined) return { object, message: "is missing", state: "missing" };
    const { status, message } = readinessOf(live);
    if (status === "Current") return undefined;
    const stuck = live.kind === "Deployment" ? stuckReason(live, [...this.#pods.values()]) : undefined;
    const isStuck = status === "InProgress" && stuck?.terminal === true;
    return {
      object,
      message: stuck?.message ?? message,
      state: status === "Failed" || isStuck ? "failed" : "progressing",
    };
  }
}

type Ill = Unready & { readonly state: "missing" | "failed" | "progressing" };

/** "Deployment/flux-system/source-controller: 0 of 1 replicas available; ...", at most ten of them, then how many more there are. */
export function formatUnready(unready: readonly Unready[]): string {
  const lines = unready.map(({ object, message }) => `${object}: ${message}`);
  return shorten(lines, 10).join("; ");
}
