import { canonicalInstance } from "../../src/api/canonical.ts";
import { parseFluxInstance } from "../../src/api/flux-instance.ts";
import { fluxInstance } from "../../src/api/names.ts";
import { describeRendered, type Rendered } from "../../src/controllers/flux-instance/rights/rendered.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import type { Release } from "../../src/distribution/release.ts";
import { groupKindKey } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { renderInstance } from "../../src/render/render-instance.ts";
import { isAtLeast } from "../../src/render/version.ts";

/** What an instance in `namespace` may consist of, whatever its spec, by rendering every embedded release with every spec of the table below; patches aside, with which users may write what they like. */
export function renderedIn(namespace: string): Rendered {
  const objects = embeddedVersions
    .map((version) => loadRelease(version))
    .flatMap((release) => renderAll(release, namespace));
  const rendered = describeRendered(objects);
  const [unknown] = rendered.unknown;
  if (unknown === undefined) return rendered;
  throw new Error(
    `Cannot name ${groupKindKey(unknown)} in a rule: neither Kubernetes nor a CRD of Flux has it; add it to src/client/built-in-kinds.ts`,
  );
}

type Variant = { readonly since?: readonly [number, number]; readonly spec: JsonObject };

const source = { url: "oci://registry.example.com/fleet", ref: "latest", path: "./" };

/** Specs that differ in what they render: each value of each field that adds, renames or removes an object or a rule of a role. */
const variants: readonly Variant[] = [
  { spec: {} },
  { spec: { cluster: { type: "openshift", networkPolicy: false } } },
  { spec: { cluster: { multitenant: true, size: "large" } } },
  {
    since: [2, 7],
    spec: { cluster: { multitenant: true, multitenantWorkloadIdentity: true, objectLevelWorkloadIdentity: true } },
  },
  { spec: { sharding: { shards: ["a"], storage: "persistent" }, storage: { class: "standard", size: "1Gi" } } },
  { spec: { sync: { ...source, kind: "OCIRepository" } } },
  {
    spec: { sync: { ...source, kind: "GitRepository", url: "https://git.example.com/fleet", ref: "refs/heads/main" } },
  },
  { spec: { sync: { ...source, kind: "Bucket", url: "minio.example.com", ref: "fleet" } } },
];

function renderAll(release: Release, namespace: string): readonly KubeObject[] {
  return variants
    .filter(({ since }) => since === undefined || isAtLeast(release.version, since))
    .flatMap(({ spec }) => {
      const instance = parseFluxInstance({
        apiVersion: fluxInstance.storageApiVersion,
        kind: fluxInstance.kind,
        metadata: { name: fluxInstance.name, namespace },
        spec: {
          distribution: { version: release.version, registry: "ghcr.io/fluxcd" },
          components: Object.keys(release.components),
          ...spec,
        },
      });
      const canonical = canonicalInstance(instance);
      return renderInstance(canonical.spec, release, canonical.key).objects;
    });
}
