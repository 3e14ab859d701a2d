import type { Component, Variant } from "../../api/spec.ts";
import { textOf } from "../../kube/fields.ts";
import type { KubeObject } from "../../kube/object.ts";
import { managerOf } from "../deployment.ts";
import type { RenderContext } from "../draft.ts";
import { buildFailed, notUnderstood } from "../errors.ts";
import { type ImageReference, parseImage, replaceImages } from "../images.ts";
import type { Unpinned } from "../rendering.ts";

export type ImagePlan = {
  /** By the repository that the official manifests name, such as "fluxcd/source-controller". */
  readonly images: ReadonlyMap<string, ImageReference>;
  readonly unpinned?: Unpinned;
};

const variantOf: { readonly [registry: string]: Variant } = {
  fluxcd: "upstream-alpine",
  "ghcr.io/fluxcd": "upstream-alpine",
  "ghcr.io/controlplaneio-fluxcd/alpine": "enterprise-alpine",
  "ghcr.io/controlplaneio-fluxcd/distroless": "enterprise-distroless",
  "709825985650.dkr.ecr.us-east-1.amazonaws.com/controlplane/fluxcd": "enterprise-distroless",
  "ghcr.io/controlplaneio-fluxcd/distroless-fips": "enterprise-distroless-fips",
};

export function planImages(context: RenderContext): ImagePlan {
  const { spec, release } = context;
  const { registry } = spec.distribution;
  const variant = spec.distribution.variant ?? variantOf[registry];
  const known = variant === undefined ? undefined : release.images[variant];
  const images = new Map<string, ImageReference>();
  const unpinned: Component[] = [];
  for (const component of spec.components) {
    const image = known?.[component];
    if (image === undefined) unpinned.push(component);
    const official = officialImage(context, component);
    const tag = image?.tag ?? official.tag;
    const repository = `${registry}/${component}`;
    images.set(official.repository, { repository, tag, ...(image === undefined ? {} : { digest: image.digest }) });
  }
  if (unpinned.length === 0) return { images };
  const reason = "no digest known";
  if (spec.distribution.requireDigests) {
    throw buildFailed({ field: "spec.distribution.requireDigests", value: "true", problem: reason, remedy: "" });
  }
  return { images, unpinned: { components: unpinned, reason } };
}

export function pinImages(objects: readonly KubeObject[], { images }: ImagePlan): readonly KubeObject[] {
  return objects.map((object) => replaceImages(object, images));
}

function officialImage({ release }: RenderContext, component: Component): ImageReference {
  const deployment = release.components[component]?.find(({ kind }) => kind === "Deployment");
  const manager = deployment === undefined ? undefined : managerOf(deployment);
  if (manager === undefined) throw notUnderstood(release.version, component, "Deployment with a container manager");
  return parseImage(textOf(manager["image"]));
}
