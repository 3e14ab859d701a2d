import { lastGoodName, operatorName } from "../../api/names.ts";
import type { ApiClient } from "../../client/api-client.ts";
import { ApiError } from "../../client/api-error.ts";
import { configMapKind } from "../../kube/kinds.ts";
import type { KubeObject } from "../../kube/object.ts";
import { decodeLastGood, encodeLastGood, sameRecord, type LastGoodRecord, type LastGoodState } from "./last-good.ts";

/**
 * Reads and writes the ConfigMap of the last good revision. It remembers what it decoded last, so that an unchanged ConfigMap gives
 * the same value, whose release and objects have been digested already.
 */
export class LastGoodStore {
  readonly #client: Pick<ApiClient, "getOrUndefined" | "apply" | "delete">;
  #seen: { readonly id: string; readonly state: LastGoodState } | undefined;

  constructor(client: Pick<ApiClient, "getOrUndefined" | "apply" | "delete">) {
    this.#client = client;
  }

  /**
   * The record of `instance`. A ConfigMap that the operator may not read (403) counts as damaged, since reconciles work without it. Throws as
   * ApiClient.
   */
  async read(instance: KubeObject, signal: AbortSignal): Promise<LastGoodState> {
    const configMap = await this.#getOrRefusal(instance, signal);
    if (configMap === undefined) return { kind: "absent" };
    if (configMap instanceof ApiError) return { kind: "damaged", message: configMap.message };
    const id = idOf(configMap, instance);
    if (this.#seen?.id === id) return this.#seen.state;
    const state = decodeLastGood(configMap, instance);
    this.#seen = { id, state };
    return state;
  }

  /**
   * Writes `record` to the ConfigMap, unless it says so already: `current`, or, where the status does not vouch for that, what was read. Throws
   * LastGoodError when the record is too large, and as ApiClient.
   */
  async write(
    instance: KubeObject,
    record: LastGoodRecord,
    current: LastGoodState,
    signal: AbortSignal,
  ): Promise<void> {
    const read = current.kind === "damaged" ? this.#seen?.state : current;
    if (read?.kind === "known" && sameRecord(read, record)) return;
    const configMap = encodeLastGood(instance, record);
    const answer = await this.#client.apply(configMap, { fieldManager: operatorName }, signal);
    this.#seen = { id: idOf(answer, instance), state: { kind: "known", ...record } };
  }

  async #getOrRefusal(instance: KubeObject, signal: AbortSignal): Promise<KubeObject | ApiError | undefined> {
    try {
      return await this.#client.getOrUndefined(configMapKind, keyIn(instance), signal);
    } catch (error) {
      if (error instanceof ApiError && error.status === 403) return error;
      throw error;
    }
  }

  /** Deletes the ConfigMap of `instance`, if there is one. Throws as ApiClient. */
  async remove(instance: KubeObject, signal: AbortSignal): Promise<void> {
    this.#seen = undefined;
    await this.#client.delete({ gvk: configMapKind, key: keyIn(instance) }, {}, signal);
  }
}

function keyIn({ metadata }: KubeObject): { readonly namespace: string; readonly name: string } {
  return { namespace: metadata.namespace ?? "", name: lastGoodName };
}

function idOf({ metadata: { uid = "", resourceVersion = "" } }: KubeObject, instance: KubeObject): string {
  return `${instance.metadata.uid} ${uid} ${resourceVersion}`;
}
