import type { Component } from "../../api/spec.ts";
import {
  type ComponentImage,
  explainNoDigest,
  imageName,
  imagesFor,
  type ResolvedDigests,
} from "../../distribution/images.ts";
import { textOf } from "../../kube/fields.ts";
import { nameObject } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import { podImagesOf } from "../../kube/pod-template.ts";
import { managerOf } from "../deployment.ts";
import type { RenderContext } from "../draft.ts";
import { buildFailed, notUnderstood } from "../errors.ts";
import { type ImageReference, parseImage, replaceImages } from "../images.ts";
import type { Unpinned } from "../rendering.ts";

/** The image of each installed component. */
export type ImageChoice = {
  /** By the repository that the official manifests name, such as "fluxcd/source-controller". */
  readonly images: ReadonlyMap<string, ImageReference>;
  /** The digests of the registry that are used; absent when there are none. */
  readonly digests?: ResolvedDigests;
  readonly unpinned?: Unpinned;
};

/** Chooses the images of the installed components. Throws RenderError (BuildFailed) for an image without a digest when the spec requires digests. */
export function planImages(context: RenderContext): ImageChoice {
  const { registry, variant, digests: source, requireDigests } = context.spec.distribution;
  const known = imagesFor(context.release, { registry, variant, digests: source }, context.live);
  const planned = context.spec.components.map((component) => {
    const official = officialRepository(context, component);
    return { component, official, image: known[component] ?? missingImage(context, component) };
  });
  const images = new Map(planned.map(({ official, image }) => [official, referenceOf(image)]));
  const digests = resolvedOf(planned, context);
  const unpinned = unpinnedOf(planned);
  if (unpinned !== undefined && requireDigests) throw digestsRequired(unpinned);
  return {
    images,
    ...(digests === undefined ? {} : { digests }),
    ...(unpinned === undefined ? {} : { unpinned }),
  };
}

/** Replaces the official images in `objects` by the chosen ones. */
export function pinImages(objects: readonly KubeObject[], { images }: ImageChoice): readonly KubeObject[] {
  return objects.map((object) => replaceImages(object, images));
}

/**
 * Throws RenderError (BuildFailed) where the spec requires digests and an image of a finished object has none. Those of the release have been
 * seen by `planImages`; what is left is what the user's patches have put there.
 */
export function refuseUnpinned(objects: readonly KubeObject[], { spec }: RenderContext): void {
  if (!spec.distribution.requireDigests) return;
  const unpinned = objects.filter(({ kind }) => kind === "Deployment").flatMap(unpinnedIn);
  const [first] = unpinned;
  if (first === undefined) return;
  const more = unpinned.length === 1 ? "" : ` and ${unpinned.length - 1} more`;
  throw buildFailed({
    field: "spec.distribution.requireDigests",
    value: "true",
    problem: `cannot be kept, a patch sets an image without a digest, ${first}${more}`,
    remedy: "write NAME:TAG@sha256:... in spec.kustomize.patches",
  });
}

function unpinnedIn(deployment: KubeObject): readonly string[] {
  const images = podImagesOf(deployment).filter((image) => parseImage(image).digest === undefined);
  return images.map((image) => `${image} of ${nameObject(deployment)}`);
}

function referenceOf(image: ComponentImage): ImageReference {
  const { repository, tag } = image;
  return image.kind === "pinned" ? { repository, tag, digest: image.digest } : { repository, tag };
}

type PlannedImage = { readonly component: Component; readonly image: ComponentImage };

function resolvedOf(planned: readonly PlannedImage[], { live }: RenderContext): ResolvedDigests | undefined {
  const used = planned.flatMap(({ image }) => {
    const name = imageName(image);
    return image.kind === "pinned" && live.resolved[name] === image.digest ? [[name, image.digest] as const] : [];
  });
  return used.length === 0 ? undefined : Object.fromEntries(used);
}

function unpinnedOf(planned: readonly PlannedImage[]): Unpinned | undefined {
  const missing = planned.flatMap(({ component, image }) =>
    image.kind === "unpinned" ? [{ component, reason: explainNoDigest(image.why) }] : [],
  );
  if (missing.length === 0) return undefined;
  const reasons = new Set(missing.map(({ reason }) => reason));
  return { reason: [...reasons].join("; "), components: missing.map(({ component }) => component) };
}

function digestsRequired({ reason, components }: Unpinned): Error {
  return buildFailed({
    field: "spec.distribution.requireDigests",
    value: "true",
    problem: `cannot be kept, no digest is known for ${components.join(", ")}`,
    remedy: reason,
  });
}

function officialRepository({ release }: RenderContext, component: Component): string {
  const deployment = release.components[component]?.find(({ kind }) => kind === "Deployment");
  const manager = deployment === undefined ? undefined : managerOf(deployment);
  if (manager === undefined) throw notUnderstood(release.version, component, "Deployment with a container manager");
  return parseImage(textOf(manager["image"])).repository;
}

function missingImage({ release }: RenderContext, component: Component): never {
  throw notUnderstood(release.version, component, `image named ${component}`);
}
