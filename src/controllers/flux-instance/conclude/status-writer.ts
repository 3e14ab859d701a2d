import { operatorName } from "../../../api/names.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { fieldsOf } from "../../../kube/fields.ts";
import { gvkOf } from "../../../kube/gvk.ts";
import type { JsonObject, JsonValue, KubeObject, ObjectKey } from "../../../kube/object.ts";
import { isJsonObject } from "../../../std/json.ts";
import { mergePatchOf } from "../../../std/merge-patch.ts";
import type { FluxInstanceStatus } from "../status.ts";

/** Writes the status of one instance, and only what differs from what it read or wrote last. */
export class StatusWriter {
  #status: JsonObject;
  readonly #instance: KubeObject;
  readonly #client: Pick<ApiClient, "patch">;

  constructor(instance: KubeObject, client: Pick<ApiClient, "patch">) {
    this.#instance = instance;
    this.#status = fieldsOf(instance["status"]);
    this.#client = client;
  }

  /**
   * Resolves to whether anything was written. The uid makes the API server refuse the write (409) when the instance was recreated since. Throws
   * as ApiClient.
   */
  async write(next: FluxInstanceStatus, signal: AbortSignal): Promise<boolean> {
    const status = toJson(next);
    const changes = mergePatchOf(this.#status, status);
    if (Object.keys(changes).length === 0) return false;
    const { uid = "", namespace = "", name } = this.#instance.metadata;
    const key: ObjectKey = { namespace, name };
    await this.#client.patch(
      { gvk: gvkOf(this.#instance), key },
      { kind: "merge", value: { metadata: { uid }, status: changes } },
      // The CRD may be of an older operator: what it lacks is then not told, and the rest is.
      { fieldManager: operatorName, subresource: "status", dropsUnknownFields: true },
      signal,
    );
    this.#status = status;
    return true;
  }
}

/** Lists that say nothing when they are empty: `kubectl describe` would show a field with nothing behind it. */
const optionalLists: ReadonlySet<string> = new Set(["patches", "droppedVersions", "objectsLosingFields"]);

/** Without what is undefined or empty. */
function toJson(status: FluxInstanceStatus): JsonObject {
  return withoutEmpty(Object.entries(status));
}

function withoutEmpty(entries: readonly (readonly [string, JsonValue | undefined])[]): JsonObject {
  return Object.fromEntries(
    entries.flatMap(([key, value]): [string, JsonValue][] => {
      if (value === undefined) return [];
      if (Array.isArray(value)) return value.length === 0 && optionalLists.has(key) ? [] : [[key, value]];
      return [[key, isJsonObject(value) ? withoutEmpty(Object.entries(value)) : value]];
    }),
  );
}
