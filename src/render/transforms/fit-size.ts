import { appendArgs, editManager } from "../deployment.ts";
import { type Draft, mapControllers, type RenderContext } from "../draft.ts";
import { mergeField } from "../edit.ts";
import { sizeSettings } from "../profiles/size.ts";

/** Applies `cluster.size`: concurrency, caches, requests and limits. */
export function fitSize(drafts: readonly Draft[], { spec, release }: RenderContext): readonly Draft[] {
  const { size } = spec.cluster;
  if (size === undefined) return drafts;
  return mapControllers(drafts, (object, { component }) => {
    const { args = [], resources } = sizeSettings(size, component);
    const marked = mergeField(object, ["metadata", "annotations"], { "fluxcd.controlplane.io/profile": size });
    const sized = appendArgs(marked, release.version, args);
    if (resources === undefined) return sized;
    return editManager(sized, release.version, (container) => ({ ...container, resources }));
  });
}
