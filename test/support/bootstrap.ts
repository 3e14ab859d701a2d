import type { OwnedApiClient } from "../../src/client/create-client.ts";
import { gvkOf } from "../../src/kube/gvk.ts";
import { systemClock } from "../../src/std/clock.ts";
import { formatYaml } from "../../src/std/yaml.ts";
import { readRenderInput, render } from "./build-from-yaml.ts";
import { namespace } from "./flux-cluster.ts";
import type { Workload } from "./real-world.ts";

/** What `flux install --export` prints for the version and the components, as far as names, labels and specs go. */
export function installManifests(version: string, components: readonly string[]): readonly Workload[] {
  const spec = { distribution: { version, registry: "ghcr.io/fluxcd" }, components };
  const instance = {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace },
    spec,
  };
  return render(readRenderInput(formatYaml(instance))).objects.map((object) => withoutMarks(object as Workload));
}

const ours = /^(app\.kubernetes\.io\/managed-by|fluxcd\.controlplane\.io\/.*|kustomize\.toolkit\.fluxcd\.io\/.*)$/;

/** The object without the labels and annotations by which we know ours. */
function withoutMarks(object: Workload): Workload {
  const { labels = {}, annotations = {}, ...metadata } = object.metadata;
  return {
    ...object,
    metadata: { ...metadata, labels: withoutOurs(labels), annotations: withoutOurs(annotations) },
  };
}

function withoutOurs(values: { readonly [key: string]: string }): { readonly [key: string]: string } {
  return Object.fromEntries(Object.entries(values).filter(([key]) => !ours.test(key)));
}

/** Applies the objects in their order as the Flux CLI does: server-side, as field manager `flux`, and kinds are waited for. */
export async function applyAsFluxCli(objects: readonly Workload[], client: OwnedApiClient): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  for (const object of objects) {
    while ((await client.discovery.find(gvkOf(object), deadline)) === undefined) {
      client.discovery.invalidate();
      await systemClock.sleep(50, deadline);
    }
    await client.apply(object, { fieldManager: "flux" }, deadline);
  }
}
