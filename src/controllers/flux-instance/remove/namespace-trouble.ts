// Tests: test/integration/uninstall-obstacles.test.ts
import type { ApiClient } from "../../../client/api-client.ts";
import { ApiError, ConnectionError } from "../../../client/api-error.ts";
import { fieldsOf, listOf, textOf } from "../../../kube/fields.ts";
import { namespaceKind } from "../../../kube/kinds.ts";
import type { KubeObject } from "../../../kube/object.ts";

/** Says that a namespace is being deleted, and what its conditions report about that; undefined when it is not being deleted or cannot be read. */
export async function namespaceTrouble(
  name: string,
  client: Pick<ApiClient, "getOrUndefined">,
  signal: AbortSignal,
): Promise<string | undefined> {
  const namespace = await readNamespace(name, client, signal);
  if (namespace?.metadata.deletionTimestamp === undefined) return undefined;
  const troubles = listOf(fieldsOf(namespace["status"])["conditions"])
    .map(fieldsOf)
    .filter(({ status }) => status === "True")
    .map(({ type, message }) => `${textOf(type)}: ${textOf(message)}`);
  const why = troubles.length === 0 ? "" : ` (${troubles.toSorted().join("; ")})`;
  return `Namespace/${name} is being deleted too${why}`;
}

/** A read that fails is left out: this only adds to a message about a failure or a wait. */
async function readNamespace(
  name: string,
  client: Pick<ApiClient, "getOrUndefined">,
  signal: AbortSignal,
): Promise<KubeObject | undefined> {
  try {
    return await client.getOrUndefined(namespaceKind, { namespace: "", name }, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ApiError || error instanceof ConnectionError) return undefined;
    throw error;
  }
}
