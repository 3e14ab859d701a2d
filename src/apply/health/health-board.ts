import type { WatchEvent } from "../../client/api-client.ts";
import { groupKindKey, gvkOf, type GroupVersionKind } from "../../kube/gvk.ts";
import { formatObjectId, nameObject, objectIdOf } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import { readinessOf } from "../../kube/readiness.ts";
import { shorten } from "../../std/shorten.ts";
import { stuckReason } from "./stuck-pods.ts";

/** One object that is not ready, and why. */
export type Unready = { readonly object: string; readonly message: string };

/** What is known of the objects waited for, and what follows from it. */
export class HealthBoard {
  verdict: "open" | "ready" | "missing" | "failed" = "open";
  onVerdict: () => void = () => undefined;
  readonly #wanted: ReadonlyMap<string, KubeObject>;
  readonly #live = new Map<string, KubeObject>();
  readonly #pods = new Map<string, KubeObject>();
  readonly #listed = new Set<string>();
  readonly #kinds: number;
  readonly #onProgress: ((unready: readonly Unready[]) => void) | undefined;
  #shown = "";

  constructor(objects: readonly KubeObject[], onProgress: ((unready: readonly Unready[]) => void) | undefined) {
    this.#wanted = new Map(objects.map((object) => [formatObjectId(objectIdOf(object)), object]));
    this.#kinds = new Set(objects.map((object) => groupKindKey(gvkOf(object)))).size;
    this.#onProgress = onProgress;
  }

  /** Pods do not carry the owner labels of what made them; they are found by what all controllers' pods carry. */
  selectionOf(gvk: GroupVersionKind, labelSelector: string): { namespace?: string; labelSelector?: string } {
    const namespaces = new Set([...this.#wanted.values()].map((object) => object.metadata.namespace ?? ""));
    namespaces.delete("");
    const [namespace] = namespaces;
    const within = namespaces.size === 1 && namespace !== undefined ? { namespace } : {};
    if (gvk.kind === "Pod") return { ...within, labelSelector: "app.kubernetes.io/part-of=flux" };
    return { ...(this.#isNamespaced(gvk) ? within : {}), labelSelector };
  }

  replace(gvk: GroupVersionKind, items: readonly KubeObject[]): void {
    const target = gvk.kind === "Pod" ? this.#pods : this.#live;
    for (const [id, object] of target) if (object.kind === gvk.kind) target.delete(id);
    for (const item of items) target.set(formatObjectId(objectIdOf(item)), item);
    if (gvk.kind !== "Pod") this.#listed.add(groupKindKey(gvk));
    this.#judge();
  }

  see(event: WatchEvent): void {
    if (event.kind === "bookmark") return;
    const target = event.object.kind === "Pod" ? this.#pods : this.#live;
    const id = formatObjectId(objectIdOf(event.object));
    if (event.kind === "deleted") target.delete(id);
    else target.set(id, event.object);
    this.#judge();
  }

  /** Sorted by name, so that the same state reads the same. */
  unready(): readonly Unready[] {
    const found = [...this.#wanted.keys()].flatMap((id) => this.#unreadyOf(id));
    return found.toSorted((left, right) => (left.object < right.object ? -1 : 1));
  }

  #isNamespaced(gvk: GroupVersionKind): boolean {
    return [...this.#wanted.values()].some(
      (object) => object.kind === gvk.kind && object.metadata.namespace !== undefined,
    );
  }

  #unreadyOf(id: string): readonly Unready[] {
    const wanted = this.#wanted.get(id);
    const live = this.#live.get(id);
    if (wanted === undefined) return [];
    if (live === undefined) return [{ object: nameObject(wanted), message: "is missing" }];
    const readiness = readinessOf(live);
    if (readiness.status === "Current") return [];
    const stuck = live.kind === "Deployment" ? stuckReason(live, [...this.#pods.values()]) : undefined;
    return [{ object: nameObject(live), message: stuck?.message ?? readiness.message }];
  }

  #judge(): void {
    if (this.verdict !== "open" || this.#listed.size < this.#kinds) return;
    const unready = this.unready();
    this.#report(unready);
    if (unready.length === 0) this.verdict = "ready";
    else if ([...this.#wanted.keys()].some((id) => !this.#live.has(id))) this.verdict = "missing";
    else if ([...this.#wanted.keys()].some((id) => this.#cannotRecover(id))) this.verdict = "failed";
    if (this.verdict !== "open") this.onVerdict();
  }

  #cannotRecover(id: string): boolean {
    const live = this.#live.get(id);
    if (live === undefined) return false;
    const readiness = readinessOf(live);
    if (readiness.status === "Failed") return true;
    if (readiness.status !== "InProgress" || live.kind !== "Deployment") return false;
    return stuckReason(live, [...this.#pods.values()])?.terminal === true;
  }

  #report(unready: readonly Unready[]): void {
    const shown = formatUnready(unready);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#onProgress?.(unready);
  }
}

/** "Deployment/flux-system/source-controller: 0 of 1 replicas available; ...", at most ten of them. */
export function formatUnready(unready: readonly Unready[]): string {
  const lines = unready.map(({ object, message }) => `${object}: ${message}`);
  return shorten(lines, 10).join("; ");
}
