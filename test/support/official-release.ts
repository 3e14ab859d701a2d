import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { componentNames, imageVariants, type Release, type ReleaseImage } from "../../src/distribution/release.ts";
import type { KubeObject } from "../../src/kube/object.ts";

/** Reads a release from the official artifact's layout below `root` (`flux/<version>/`, `flux-images/<version>/`). */
export function readOfficialRelease(root: string, version: string): Release {
  const manifests = join(root, "flux", `v${version}`);
  const present = componentNames.filter((name) => existsSync(join(manifests, `${name}.yaml`)));
  const variants = imageVariants.filter((name) => existsSync(join(root, "flux-images", `v${version}`, `${name}.yaml`)));
  return {
    version,
    components: Object.fromEntries(present.map((name) => [name, readObjects(join(manifests, `${name}.yaml`))])),
    rbac: readObjects(join(manifests, "rbac.yaml")),
    policies: readObjects(join(manifests, "policies.yaml")),
    images: Object.fromEntries(
      variants.map((name) => [name, readImages(join(root, "flux-images", `v${version}`, `${name}.yaml`))]),
    ),
  };
}

function readObjects(file: string): KubeObject[] {
  return readDocuments<KubeObject | null>(file).filter((object) => object !== null);
}

type ImageFile = {
  readonly images: readonly { readonly name: string; readonly newTag: string; readonly digest: string }[];
};

function readImages(file: string): { readonly [component: string]: ReleaseImage } {
  const images = readDocuments<ImageFile>(file).flatMap((document) => document.images);
  return Object.fromEntries(
    images.map(({ name, newTag, digest }) => [name.slice(name.lastIndexOf("/") + 1), { tag: newTag, digest }]),
  );
}

/** The official files are trusted test data; `T` is what the artifact's layout promises. */
function readDocuments<T>(file: string): T[] {
  return parseAllDocuments(readFileSync(file, "utf8"), { version: "1.1" }).map((document) => document.toJS() as T);
}
