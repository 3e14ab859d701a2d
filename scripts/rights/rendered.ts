import { canonicalInstance } from "../../src/api/canonical.ts";
import { parseFluxInstance } from "../../src/api/flux-instance.ts";
import { fluxInstance } from "../../src/api/names.ts";
import { describeRendered, type Rendered } from "../../src/controllers/flux-instance/rights/rendered.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import type { Release } from "../../src/distribution/release.ts";
import { groupKindKey } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { renderInstance } from "../../src/render/render-instance.ts";
import type { Rendering } from "../../src/render/rendering.ts";
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

/** A spec beside version, registry and components, for releases since a minor. */
export type Variant = { readonly name: string; readonly since?: readonly [number, number]; readonly spec: JsonObject };

const source = { url: "oci://registry.example.com/fleet", ref: "latest", path: "./" };

/** Specs that differ in what they render: each value of each field that adds, renames or removes an object or a rule of a role. */
export const variants: readonly Variant[] = [
  { name: "default", spec: {} },
  { name: "openshift", spec: { cluster: { type: "openshift", networkPolicy: false } } },
  { name: "tenants", spec: { cluster: { multitenant: true, size: "large" } } },
  {
    name: "workload-identity",
    since: [2, 7],
    spec: { cluster: { multitenant: true, multitenantWorkloadIdentity: true, objectLevelWorkloadIdentity: true } },
  },
  {
    name: "shards",
    spec: { sharding: { shards: ["a"], storage: "persistent" }, storage: { class: "standard", size: "1Gi" } },
  },
  { name: "sync-oci", spec: { sync: { ...source, kind: "OCIRepository" } } },
  {
    name: "sync-git",
    spec: { sync: { ...source, kind: "GitRepository", url: "https://git.example.com/fleet", ref: "refs/heads/main" } },
  },
  { name: "sync-bucket", spec: { sync: { ...source, kind: "Bucket", url: "minio.example.com", ref: "fleet" } } },
];

function renderAll(release: Release, namespace: string): readonly KubeObject[] {
  return variants
    .filter((variant) => fits(variant, release))
    .flatMap(({ spec }) => renderVariant(release, namespace, spec).objects);
}

/** Whether the release has what the variant asks for. */
export function fits({ since }: Variant, { version }: Release): boolean {
  return since === undefined || isAtLeast(version, since);
}

/** What an instance in `namespace` with all components of the release, and `spec` besides, consists of. */
export function renderVariant(release: Release, namespace: string, spec: JsonObject): Rendering {
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
  return renderInstance(canonical.spec, release, canonical.key);
}
