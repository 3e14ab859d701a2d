import { textOf } from "../kube/fields.ts";
import type { KubeObject } from "../kube/object.ts";
import { containersOf } from "../kube/pod-template.ts";
import { UnreachableError } from "../std/errors.ts";
import { componentNames, type ComponentName, type ImageVariant, type Release } from "./release.ts";

/** Where the vendors publish; a registry that is not in this table is a mirror, and needs `variant`. */
const variantsByRegistry: ReadonlyMap<string, ImageVariant> = new Map([
  ["fluxcd", "upstream-alpine"],
  ["ghcr.io/fluxcd", "upstream-alpine"],
  ["ghcr.io/controlplaneio-fluxcd/alpine", "enterprise-alpine"],
  ["ghcr.io/controlplaneio-fluxcd/distroless", "enterprise-distroless"],
  ["709825985650.dkr.ecr.us-east-1.amazonaws.com/controlplane/fluxcd", "enterprise-distroless"],
  ["ghcr.io/controlplaneio-fluxcd/distroless-fips", "enterprise-distroless-fips"],
]);

/**
 * Where digests come from: the release's data, the registry of the images, or (of a mirror whose variant is not known) the registry if it can be
 * reached.
 */
export type DigestSource = "Catalog" | "Registry" | "RegistryIfReachable";

/** Where images are pulled from, and of which variant; without it that of the registry. Digests are those of the release by default. */
export type ImageSource = {
  readonly registry: string;
  readonly variant?: ImageVariant | undefined;
  readonly digests?: DigestSource;
};

/** Digests by the image whose tag was resolved, such as "ghcr.io/fluxcd/source-controller:v1.9.4". */
export type ResolvedDigests = { readonly [image: string]: string };

/** What is known of the registry's digests; `trouble`: why it could not be asked, as a sentence without a period. */
export type LiveDigests = { readonly resolved: ResolvedDigests; readonly trouble?: string };

/** No image was resolved. */
export const noLiveDigests: LiveDigests = { resolved: {} };

/** Why an image has no digest. */
export type NoDigest =
  | { readonly kind: "unknown-registry"; readonly registry: string; readonly trouble?: string }
  | { readonly kind: "unresolved"; readonly image: string; readonly trouble?: string }
  | { readonly kind: "variant-not-in-release"; readonly variant: ImageVariant; readonly version: string }
  | {
      readonly kind: "component-not-in-variant";
      readonly component: ComponentName;
      readonly variant: ImageVariant;
      readonly version: string;
    };

/** The image of a component, with a digest or the reason why there is none. */
export type ComponentImage =
  | { readonly kind: "pinned"; readonly repository: string; readonly tag: string; readonly digest: string }
  | { readonly kind: "unpinned"; readonly repository: string; readonly tag: string; readonly why: NoDigest };

/** The images of the components that a release has. */
export type ComponentImages = { readonly [component in ComponentName]?: ComponentImage };

/** The registry as image names begin with it: without trailing slashes. */
export function trimRegistry(registry: string): string {
  return registry.replace(/\/+$/, "");
}

/** The variant that a vendor's registry serves; undefined for a mirror. Trailing slashes are ignored. */
export function variantOfRegistry(registry: string): ImageVariant | undefined {
  return variantsByRegistry.get(trimRegistry(registry));
}

/** The vendor's registry that publishes a variant. */
export function registryOfVariant(variant: ImageVariant): string {
  const [registry] =
    [...variantsByRegistry].findLast(([name, one]) => one === variant && name.startsWith("ghcr.io/")) ?? [];
  if (registry === undefined) throw new TypeError(`no registry publishes ${variant}`);
  return registry;
}

/**
 * The image of every component of `release` in a registry: "<registry>/<component>" with the tag of the variant or else of the manifests, and
 * the digest of the variant or, where digests come from the registry, that of `live`. Without a digest, `why` gives the reason, which callers
 * must report.
 */
export function imagesFor(release: Release, source: ImageSource, live: LiveDigests = noLiveDigests): ComponentImages {
  const images = componentNames.flatMap((component) => {
    const tag = officialTag(release, component);
    if (tag === undefined) return [];
    return [[component, withLiveDigest(imageOf(release, source, { component, tag }), source, live)] as const];
  });
  return Object.fromEntries(images);
}

/** The images of `components` whose tags the registry is to be asked for; none where digests come from the release. */
export function imagesToResolve(
  release: Release,
  source: ImageSource,
  components: readonly ComponentName[],
): readonly string[] {
  if ((source.digests ?? "Catalog") === "Catalog") return [];
  const images = imagesFor(release, source);
  return components.flatMap((component) => {
    const image = images[component];
    return image === undefined ? [] : [imageName(image)];
  });
}

/** "ghcr.io/fluxcd/source-controller:v1.9.4" */
export function imageName({ repository, tag }: { readonly repository: string; readonly tag: string }): string {
  return `${repository}:${tag}`;
}

/** "registry mirror.example.com is not a known one: set spec.distribution.variant", for conditions and events. */
export function explainNoDigest(why: NoDigest): string {
  switch (why.kind) {
    case "unknown-registry":
      return `registry ${why.registry} is not a known one: set spec.distribution.variant to what it mirrors${because(why)}`;
    case "unresolved":
      return why.trouble ?? `the registry was not asked for ${why.image}`;
    case "variant-not-in-release":
      return `Flux ${why.version} has no ${why.variant} images: choose another variant or version`;
    case "component-not-in-variant":
      return `the ${why.variant} images of Flux ${why.version} lack ${why.component}`;
    default:
      throw new UnreachableError(why);
  }
}

function because({ trouble }: { readonly trouble?: string }): string {
  return trouble === undefined ? "" : ` (${trouble})`;
}

function withLiveDigest(
  image: ComponentImage,
  source: ImageSource,
  { resolved, trouble }: LiveDigests,
): ComponentImage {
  const { digests = "Catalog", registry } = source;
  if (digests === "Catalog") return image;
  const { repository, tag } = image;
  const name = imageName(image);
  const digest = resolved[name];
  if (digest !== undefined) return { kind: "pinned", repository, tag, digest };
  const why = trouble === undefined ? {} : { trouble };
  if (digests === "Registry")
    return { kind: "unpinned", repository, tag, why: { kind: "unresolved", image: name, ...why } };
  return image.kind === "pinned" ? image : { ...image, why: { kind: "unknown-registry", registry, ...why } };
}

function imageOf(
  release: Release,
  source: ImageSource,
  { component, tag }: { readonly component: ComponentName; readonly tag: string },
): ComponentImage {
  const registry = trimRegistry(source.registry);
  const repository = `${registry}/${component}`;
  const { version } = release;
  const variant = source.variant ?? variantOfRegistry(registry);
  if (variant === undefined) {
    return { kind: "unpinned", repository, tag, why: { kind: "unknown-registry", registry } };
  }
  const images = release.images[variant];
  if (images === undefined) {
    return { kind: "unpinned", repository, tag, why: { kind: "variant-not-in-release", variant, version } };
  }
  const image = images[component];
  if (image === undefined) {
    return {
      kind: "unpinned",
      repository,
      tag,
      why: { kind: "component-not-in-variant", component, variant, version },
    };
  }
  return { kind: "pinned", repository, tag: image.tag, digest: image.digest };
}

/** The image of the container `manager` in a component's Deployment; undefined when there is none. */
export function managerImage(objects: readonly KubeObject[]): string | undefined {
  const deployment = objects.find(({ kind }) => kind === "Deployment");
  const containers = deployment === undefined ? [] : containersOf(deployment);
  const manager = containers.find(({ name }) => name === "manager");
  return manager === undefined ? undefined : textOf(manager["image"]);
}

/** The tag of the manager's image; undefined when the release lacks the component. */
function officialTag(release: Release, component: ComponentName): string | undefined {
  const image = managerImage(release.components[component] ?? []);
  if (image === undefined) return undefined;
  const [named = ""] = image.split("@");
  // A registry's port comes before the last slash, a tag after it.
  return /:([^:/]+)$/.exec(named)?.[1];
}
