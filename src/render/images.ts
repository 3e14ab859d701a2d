import type { Component } from "../api/spec.ts";
import { fieldsOf, listOf, textOf } from "../kube/fields.ts";
import type { JsonValue, KubeObject } from "../kube/object.ts";
import { managerOf, podSpec } from "./deployment.ts";
import { edit, readField } from "./edit.ts";
import type { RenderedImage } from "./rendering.ts";

/** An image; `tag` is "" when there is none. */
export type ImageReference = { readonly repository: string; readonly tag: string; readonly digest?: string };

/** Splits "registry:5000/a/b:v1@sha256:..." ; tag is "" when there is none. */
export function parseImage(image: string): ImageReference {
  const [named = "", digest] = image.split("@");
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1);
  const repository = colon === -1 ? named : named.slice(0, colon);
  const tag = colon === -1 ? "" : named.slice(colon + 1);
  return digest === undefined ? { repository, tag } : { repository, tag, digest };
}

/** The reverse of `parseImage`. */
export function formatImage({ repository, tag, digest }: ImageReference): string {
  return `${repository}${tag === "" ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** Replaces images that are in `images` by the repository that the official manifests name; others, such as a user's sidecar, stay. */
export function replaceImages(object: KubeObject, images: ReadonlyMap<string, ImageReference>): KubeObject {
  return ["containers", "initContainers"].reduce((changed, list) => {
    const path = [...podSpec, list];
    const containers = listOf(readField(changed, path));
    if (containers.length === 0) return changed;
    return edit(changed, path, () => containers.map((container) => replaceImage(container, images)));
  }, object);
}

function replaceImage(container: JsonValue, images: ReadonlyMap<string, ImageReference>): JsonValue {
  const fields = fieldsOf(container);
  const image = images.get(parseImage(textOf(fields["image"])).repository);
  return image === undefined ? container : { ...fields, image: formatImage(image) };
}

/** The images of the components' main Deployments, after all patches. A component without a container `manager` is left out. */
export function renderedImages(components: readonly Component[], objects: readonly KubeObject[]): RenderedImage[] {
  const deployments = new Map(
    objects.filter(({ kind }) => kind === "Deployment").map((object) => [object.metadata.name, object]),
  );
  return components.flatMap((name) => {
    const deployment = deployments.get(name);
    const manager = deployment === undefined ? undefined : managerOf(deployment);
    return manager === undefined ? [] : [{ name, ...parseImage(textOf(manager["image"])) }];
  });
}
