import { listOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { isJsonObject } from "../std/json.ts";
import { artifactFailed } from "./artifact-error.ts";
import { readYaml } from "./artifact-manifest.ts";
import type { ArtifactFile } from "./artifact-manifest.ts";
import { componentNames } from "./release.ts";
import type { ComponentName, ReleaseImage, VariantImages } from "./release.ts";

/** Tags and digests as the OCI distribution specification and its registries write them. */
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;

/**
 * Reads the table `flux-images/<version>/<variant>.yaml`: a kustomize list of images, whose names end in the component. Unknown components are
 * skipped. Throws ArtifactError when it is no such table.
 */
export function readImageTable(file: ArtifactFile): VariantImages {
  const [table, ...others] = readYaml(file);
  const images = isJsonObject(table) ? table["images"] : undefined;
  if (!Array.isArray(images) || others.length > 0) throw artifactFailed(`${file.path} is not one list of images`);
  const found = new Map<ComponentName, ReleaseImage>();
  for (const entry of listOf(images)) {
    const { name, image } = readEntry(entry, file.path);
    const component = componentNames.find((known) => known === name.slice(name.lastIndexOf("/") + 1));
    if (component === undefined) continue;
    if (found.has(component)) throw artifactFailed(`${file.path} has two images for ${component}`);
    found.set(component, image);
  }
  return Object.fromEntries(found);
}

function readEntry(entry: JsonValue, path: string): { readonly name: string; readonly image: ReleaseImage } {
  if (!isJsonObject(entry)) throw artifactFailed(`${path} has an image that is not an object`);
  const { name } = entry;
  if (typeof name !== "string") throw artifactFailed(`${path} has an image without a name`);
  const where = `${path}: image ${name}`;
  return {
    name,
    image: {
      tag: matching(entry, "newTag", tagPattern, where),
      digest: matching(entry, "digest", digestPattern, where),
    },
  };
}

function matching(entry: JsonObject, field: string, pattern: RegExp, where: string): string {
  const value = entry[field];
  if (typeof value === "string" && pattern.test(value)) return value;
  throw artifactFailed(`${where} has no ${field} of the form ${pattern.source}`);
}
