import { imageName, type ResolvedDigests } from "../../distribution/images.ts";
import { textOf } from "../../kube/fields.ts";
import type { Rendering } from "../../render/rendering.ts";
import type { World } from "./world.ts";

/** The digests with which images were applied last, from the record of the last good revision and from status. */
export function appliedDigests({ recorded, lastGood }: Pick<World, "recorded" | "lastGood">): ResolvedDigests {
  const applied = (recorded.components ?? []).flatMap((image) => {
    const { repository, tag, digest } = image;
    if (textOf(digest) === "") return [];
    return [[imageName({ repository: textOf(repository), tag: textOf(tag) }), textOf(digest)] as const];
  });
  return { ...Object.fromEntries(applied), ...(lastGood.kind === "known" ? lastGood.good.digests : {}) };
}

/** The components of `rendering` whose tag has another digest in the registry than when it was applied. */
export function rebuiltImages(
  { images, digests = {} }: Pick<Rendering, "images" | "digests">,
  world: Pick<World, "recorded" | "lastGood">,
): readonly string[] {
  const applied = appliedDigests(world);
  return images.flatMap((image) => {
    const name = imageName(image);
    const before = applied[name];
    // A user's patch may have set another image, which is no matter of the registry.
    const isLive = image.digest !== undefined && digests[name] === image.digest;
    return isLive && before !== undefined && before !== image.digest ? [image.name] : [];
  });
}
