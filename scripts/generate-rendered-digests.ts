import { embeddedVersions, loadRelease } from "../src/distribution/load.ts";
import { nameObject } from "../src/kube/object-id.ts";
import { sha256Hex } from "../src/std/digest.ts";
import { writeOrCheck } from "./generated-files.ts";
import { fits, renderVariant, variants, type Variant } from "./rights/rendered.ts";

/** The list of what every pinned instance renders to, from the root of the project. */
export const digestsPath = "test/golden/rendered-digests.txt";

/** Beside those of the rights, what changes objects and adds none. */
const more: readonly Variant[] = [
  { name: "small", spec: { cluster: { size: "small", domain: "example.internal" } } },
  { name: "labels", spec: { commonMetadata: { labels: { team: "platform" } } } },
];

/**
 * One line a rendering, "2.9.4 sync-git DIGEST", and then one line an object, "Deployment/flux-system/source-controller DIGEST", of that object in
 * all of them: the first tell who gets something new by an update of the operator, the others what it is. Takes seconds.
 */
export function renderedDigests(): string {
  const renderings: string[] = [];
  const objects = new Map<string, string[]>();
  for (const release of embeddedVersions.map((version) => loadRelease(version)))
    for (const { name, spec } of [...variants, ...more].filter((variant) => fits(variant, release))) {
      const rendering = renderVariant(release, "flux-system", spec);
      const texts = rendering.objects.map((object) => JSON.stringify(object));
      renderings.push(`${release.version} ${name} ${digestOf(texts)}`);
      for (const [position, object] of rendering.objects.entries())
        objects.set(nameObject(object), [...(objects.get(nameObject(object)) ?? []), texts[position] ?? ""]);
    }
  const byObject = [...objects].map(([name, texts]) => `${name} ${digestOf(texts)}`).toSorted();
  return [...renderings, ...byObject].join("\n").concat("\n");
}

/** Enough of it to tell a difference. */
function digestOf(texts: readonly string[]): string {
  return sha256Hex(texts.join("\n")).slice(0, 16);
}

if (import.meta.main) await writeOrCheck(new Map([[digestsPath, renderedDigests()]]), "the renderer makes");
