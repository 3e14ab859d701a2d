import type { KubeObject } from "../kube/object.ts";

/** The Flux controllers, in the order in which the distribution lists them. */
export const componentNames = [
  "source-controller",
  "kustomize-controller",
  "helm-controller",
  "notification-controller",
  "image-reflector-controller",
  "image-automation-controller",
  "source-watcher",
] as const;
export type ComponentName = (typeof componentNames)[number];

/** Image flavours of the official artifact (`flux-images/<version>/<variant>.yaml`). */
export const imageVariants = [
  "upstream-alpine",
  "enterprise-alpine",
  "enterprise-distroless",
  "enterprise-distroless-fips",
] as const;
export type ImageVariant = (typeof imageVariants)[number];

/** `digest` is "sha256:<64 hex>". */
export type ReleaseImage = { readonly tag: string; readonly digest: string };
export type VariantImages = { readonly [component in ComponentName]?: ReleaseImage };

/**
 * One Flux version, in the terms of the official manifests and before any change of ours: namespace-less objects,
 * names without suffix, `fluxcd/<component>:<tag>` as images. The same value comes from the embedded data and from an artifact.
 */
export type Release = {
  /** "2.9.4", without a leading v. */
  readonly version: string;
  /** Objects of `<component>.yaml`: CRDs, ServiceAccount, Services, Deployment. A component that the release lacks is absent. */
  readonly components: { readonly [component in ComponentName]?: readonly KubeObject[] };
  /** Objects of `rbac.yaml`. */
  readonly rbac: readonly KubeObject[];
  /** Objects of `policies.yaml`. */
  readonly policies: readonly KubeObject[];
  /** Tags and digests by variant; a variant that the release lacks is absent. */
  readonly images: { readonly [variant in ImageVariant]?: VariantImages };
};
