// Tests: test/integration/operator-lifecycle.test.ts
import { fluxInstance } from "../../api/names.ts";
import { fluxInstanceSchema } from "../../api/schema/instance.ts";
import type { ApiClient } from "../../client/api-client.ts";
import { ApiError } from "../../client/api-error.ts";
import { fieldsOf } from "../../kube/fields.ts";
import type { GroupVersionKind } from "../../kube/gvk.ts";
import type { JsonObject, JsonValue } from "../../kube/object.ts";
import { isJsonObject } from "../../std/json.ts";
import { enumerate } from "../../std/shorten.ts";

const fieldsNamed = 3;

/**
 * Whether the cluster's definition of FluxInstance is that of an older operator, which drops what it does not know from specs and status without
 * a word. It is asked for until it has every field, then no more: an operator that is older than the one before starts anew.
 */
export class OwnDefinition {
  readonly #client: Pick<ApiClient, "schemaOf">;
  readonly #gvk: GroupVersionKind;
  #isWhole = false;

  constructor(client: Pick<ApiClient, "schemaOf">, gvk: GroupVersionKind) {
    this.#client = client;
    this.#gvk = gvk;
  }

  /** What is wrong with it, as a sentence; undefined when nothing is, or when it cannot be read. Throws ConnectionError and the signal's reason. */
  async trouble(signal: AbortSignal): Promise<string | undefined> {
    if (this.#isWhole) return undefined;
    const published = await this.#read(signal);
    if (published === undefined) return undefined;
    const missing = ["spec", "status"].flatMap((name) =>
      missingFields(propertyOf(fluxInstanceSchema, name), propertyOf(published, name), name),
    );
    this.#isWhole = missing.length === 0;
    if (this.#isWhole) return undefined;
    return `CustomResourceDefinition ${fluxInstance.crd} is of an older operator and drops ${enumerate(missing, fieldsNamed)}; apply that of this operator, which comes with its manifests and its chart`;
  }

  async #read(signal: AbortSignal): Promise<JsonObject | undefined> {
    try {
      return await this.#client.schemaOf(this.#gvk, signal);
    } catch (error) {
      // Clusters may keep schemas from those who have no right to them, and nothing depends on this one.
      if (error instanceof ApiError) return undefined;
      throw error;
    }
  }
}

/** Paths of the fields that the schema `theirs` lacks: "spec.upgrade", "status.plan.startedAt". Nothing below such a field is listed. */
export function missingFields(ours: unknown, theirs: JsonValue | undefined, path: string): readonly string[] {
  if (!isJsonObject(ours)) return [];
  const known = fieldsOf(fieldsOf(theirs)["properties"]);
  const below = Object.entries(isJsonObject(ours["properties"]) ? ours["properties"] : {});
  const missing = below.flatMap(([name, schema]) =>
    name in known ? missingFields(schema, known[name], `${path}.${name}`) : [`${path}.${name}`],
  );
  return [...missing, ...missingFields(ours["items"], fieldsOf(theirs)["items"], `${path}[]`)];
}

function propertyOf(schema: unknown, name: string): JsonValue | undefined {
  const { properties } = isJsonObject(schema) ? schema : {};
  return isJsonObject(properties) ? properties[name] : undefined;
}
