import { operatorName } from "../../../api/names.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { fieldsOf } from "../../../kube/fields.ts";
import { gvkOf } from "../../../kube/gvk.ts";
import type { JsonObject, JsonValue, KubeObject, ObjectKey } from "../../../kube/object.ts";
import { mergePatchOf } from "../../../std/merge-patch.ts";
import type { FluxInstanceStatus } from "../status.ts";

/** Writes the status of one instance, and only what differs from what it wrote or read last. */
export class StatusWriter {
  #status: JsonObject;
  readonly #instance: KubeObject;
  readonly #client: Pick<ApiClient, "patch">;

  constructor(instance: KubeObject, client: Pick<ApiClient, "patch">) {
    this.#instance = instance;
    this.#status = fieldsOf(instance["status"]);
    this.#client = client;
  }

  /** Resolves to whether anything was written. The uid makes the API server refuse when the instance has been created anew since. */
  async write(next: FluxInstanceStatus, signal: AbortSignal): Promise<boolean> {
    const status = toJson(next);
    const changes = mergePatchOf(this.#status, status);
    if (Object.keys(changes).length === 0) return false;
    const { uid = "", namespace = "", name } = this.#instance.metadata;
    const key: ObjectKey = { namespace, name };
    await this.#client.patch(
      { gvk: gvkOf(this.#instance), key },
      { kind: "merge", value: { metadata: { uid }, status: changes } },
      { fieldManager: operatorName, subresource: "status" },
      signal,
    );
    this.#status = status;
    return true;
  }
}

/** Drops what is undefined. */
function toJson(status: FluxInstanceStatus): JsonObject {
  const entries: [string, JsonValue | undefined][] = Object.entries(status);
  return Object.fromEntries(entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}
