import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { compareForApply } from "../../src/kube/order.ts";
import { readRenderInput, render } from "../support/build-from-yaml.ts";
import { instance, namespace } from "./instance.ts";
import type { Row, Sample } from "./row.ts";
import type { World } from "./world.ts";

const row: Row = {
  measure: "kubectl apply --server-side + rollout of the same objects",
  unit: "s",
  note: "for comparison with the install; 4.4 s where the Go operator was measured",
};

/** Applies what the operator would apply, by kubectl; leaves the cluster empty. */
export async function applyOnce(world: World, signal: AbortSignal): Promise<readonly Sample[]> {
  const { objects } = render(readRenderInput(JSON.stringify(instance)));
  const items = objects.toSorted(compareForApply);
  const file = join(world.plane.folder, "objects.json");
  await writeFile(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  const startMs = performance.now();
  await world.kubectl("apply", "--server-side", "--force-conflicts", "-f", file);
  await world.kubectl("-n", namespace, "rollout", "status", "deployment", "--selector=app.kubernetes.io/part-of=flux");
  const ms = performance.now() - startMs;
  await world.renew(signal);
  return [{ row, value: ms }];
}
