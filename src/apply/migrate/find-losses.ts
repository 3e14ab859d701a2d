import type { ApiClient } from "../../client/api-client.ts";
import { pages } from "../../client/pages.ts";
import { definedKind, storedKind } from "../../kube/definition.ts";
import { nameObject } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { PlannedObject } from "../planned-object.ts";
import { lostFields, narrows, specChange, type SpecChange } from "./lost-fields.ts";

/** An object whose spec would lose fields ("spec.chart.spec.valuesFile") in the desired version. */
export type Loss = { readonly object: string; readonly fields: readonly string[] };

/**
 * The fields that existing objects would lose by a change of the CRDs `definitions`, sorted by object. Asks for objects only when the schema of
 * the storage version becomes narrower. Throws as ApiClient.
 */
export async function findLosses(
  definitions: readonly PlannedObject[],
  { client }: { readonly client: Pick<ApiClient, "listPage"> },
  signal: AbortSignal,
): Promise<readonly Loss[]> {
  const losses = new Map<string, Loss>();
  for (const { object, live } of definitions) {
    if (live === undefined) continue;
    const change = specChange(live, object);
    if (!narrows(change)) continue;
    const gvk = storedKind(definedKind(live));
    for await (const { items } of pages(gvk, {}, client, signal)) {
      for (const loss of lossesOf(items, change)) losses.set(loss.object, loss);
    }
  }
  return [...losses.values()].toSorted((left, right) => (left.object < right.object ? -1 : 1));
}

function lossesOf(objects: readonly KubeObject[], change: SpecChange): readonly Loss[] {
  return objects
    .map((object) => ({ object: nameObject(object), fields: lostFields(object["spec"], change) }))
    .filter(({ fields }) => fields.length > 0);
}
