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
/** The name of a Flux controller. */
export type ComponentName = (typeof componentNames)[number];

/** Image flavours of the official artifact (`flux-images/<version>/<variant>.yaml`). */
export const imageVariants = [
  "upstream-alpine",
  "enterprise-alpine",
  "enterprise-distroless",
  "enterprise-distroless-fips",
] as const;
/** The name of an image flavour. */
export type ImageVariant = (typeof imageVariants)[number];

/** `digest` is "sha256:<64 hex>". */
export type ReleaseImage = { readonly tag: string; readonly digest: string };
/** The images of one variant; a component that it lacks is absent. */
export type VariantImages = { readonly [component in ComponentName]?: ReleaseImage };

/**
 * One Flux version, in the terms of the official manifests and before any change of ours: objects without namespace, names without suffix,
 * `fluxcd/<component>:<tag>` as images. Embedded data and artifacts give the same value.
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
