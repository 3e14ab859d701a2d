import { componentNames, imageVariants, type Release } from "../../src/distribution/release.ts";
import type { JsonValue, KubeObject } from "../../src/kube/object.ts";
import { formatYaml } from "../../src/std/yaml.ts";

/** Files of an artifact in the official layout that has `releases`, as `openArtifact` takes them. */
export function artifactFiles(...releases: readonly Release[]): ReadonlyMap<string, Uint8Array> {
  return new Map(releases.flatMap(filesOf).map(([path, text]) => [path, new TextEncoder().encode(text)]));
}

function filesOf({ version, components, rbac, policies, images }: Release): readonly (readonly [string, string])[] {
  const folder = `flux/v${version}`;
  return [
    ...componentNames.flatMap((name) => {
      const objects = components[name];
      return objects === undefined ? [] : [[`${folder}/${name}.yaml`, manifest(objects)] as const];
    }),
    [`${folder}/rbac.yaml`, manifest(rbac)],
    [`${folder}/policies.yaml`, manifest(policies)],
    ...imageVariants.flatMap((variant) => {
      const table = images[variant];
      if (table === undefined) return [];
      const entries = Object.entries(table).map(([name, { tag, digest }]) => ({
        name: `example.com/${name}`,
        newTag: tag,
        digest,
      }));
      return [[`flux-images/v${version}/${variant}.yaml`, formatYaml({ images: entries })] as const];
    }),
  ];
}

function manifest(objects: readonly (KubeObject & JsonValue)[]): string {
  return objects.map((object) => `---\n${formatYaml(object)}`).join("");
}
