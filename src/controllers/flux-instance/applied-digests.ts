import { imageName, type LiveDigests, type ResolvedDigests } from "../../distribution/images.ts";
import { textOf } from "../../kube/fields.ts";
import type { Rendering } from "../../render/rendering.ts";
import type { World } from "./world.ts";

type Applied = Pick<World, "recorded" | "lastGood">;

/** The digests with which images were applied last, from the record of the last good revision and from status. */
export function appliedDigests({ recorded, lastGood }: Applied): ResolvedDigests {
  const pinned = appliedImages(recorded).filter(({ digest }) => digest !== "");
  return {
    ...Object.fromEntries(pinned.map(({ name, digest }) => [name, digest])),
    ...(lastGood.kind === "known" ? lastGood.good.digests : {}),
  };
}

/** What the registry says, but for images that run: those keep the digest with which they were applied, or have none. */
export function digestsThatRun({ live }: { readonly live?: LiveDigests }, world: Applied): LiveDigests | undefined {
  if (live === undefined) return undefined;
  const running = new Set(appliedImages(world.recorded).map(({ name }) => name));
  const others = Object.entries(live.resolved).filter(([name]) => !running.has(name));
  return { ...live, resolved: { ...Object.fromEntries(others), ...appliedDigests(world) } };
}

type Rendered = Pick<Rendering, "images" | "digests">;

/** The components of `rendering` whose tag has another digest in the registry than when it was applied. */
export function rebuiltImages(rendering: Rendered, world: Applied): readonly string[] {
  const applied = appliedDigests(world);
  return liveImages(rendering).flatMap(({ component, name, digest }) => {
    const before = applied[name];
    return before !== undefined && before !== digest ? [component] : [];
  });
}

/** Whether pods of `rendering` may run another image than now: one that was rebuilt, or one that runs by its tag alone and gets a digest. */
export function mayChangeImages(rendering: Rendered, world: Applied): boolean {
  const applied = appliedDigests(world);
  const running = new Set(appliedImages(world.recorded).map(({ name }) => name));
  const byTag = liveImages(rendering).some(({ name }) => running.has(name) && applied[name] === undefined);
  return byTag || rebuiltImages(rendering, world).length > 0;
}

/** Digests are "" for images that are not pinned. */
function appliedImages({
  components = [],
}: World["recorded"]): readonly { readonly name: string; readonly digest: string }[] {
  return components.map(({ repository, tag, digest }) => ({
    name: imageName({ repository: textOf(repository), tag: textOf(tag) }),
    digest: textOf(digest),
  }));
}

type LiveImage = { readonly component: string; readonly name: string; readonly digest: string };

/** The images with a digest of the registry. A user's patch may have set another image, which is no matter of the registry. */
function liveImages({ images, digests = {} }: Rendered): readonly LiveImage[] {
  return images.flatMap((image) => {
    const [name, { digest }] = [imageName(image), image];
    return digest !== undefined && digests[name] === digest ? [{ component: image.name, name, digest }] : [];
  });
}
