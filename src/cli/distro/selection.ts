import { findRelease } from "../../distribution/catalog.ts";
import { registryOfVariant, trimRegistry } from "../../distribution/images.ts";
import { componentNames, imageVariants, type ComponentName, type ImageVariant } from "../../distribution/release.ts";
import type { Catalogue } from "../../render/target.ts";
import { InputError } from "../input.ts";

/** The flags that choose images. */
export type SelectionOptions = {
  /** Ranges, each of which chooses its newest version; the newest of all without any. */
  readonly version?: readonly string[];
  /** upstream-alpine without any. */
  readonly variant?: readonly ImageVariant[];
  /** All without any. */
  readonly component?: readonly ComponentName[];
  /** The registry that is read; that of the vendor by default. Of several variants each is in a folder of its name, as `mirror` writes them. */
  readonly from?: string;
};

/** One image of a release, and where its vendor or a mirror has it. */
export type SelectedImage = {
  readonly version: string;
  readonly variant: ImageVariant;
  readonly component: ComponentName;
  /** "ghcr.io/fluxcd/source-controller" */
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
};

/** What the flags choose, and what they would have chosen that the releases do not have, in sentences. */
export type Selection = { readonly images: readonly SelectedImage[]; readonly lacking: readonly string[] };

/** The images that `options` choose, by version, variant and component. Throws InputError when a range finds no version, or nothing is chosen. */
export function selectImages(options: SelectionOptions, catalogue: Catalogue): Selection {
  const {
    version: ranges = ["2.x"],
    variant: variants = ["upstream-alpine"],
    component: wanted = componentNames,
  } = options;
  const versions = [...new Set(ranges.map((range) => newest(range, catalogue)))];
  const chosen = versions.flatMap((version) =>
    imageVariants
      .filter((one) => variants.includes(one))
      .flatMap((variant): readonly (SelectedImage | string)[] => {
        const release = catalogue.load(version);
        const table = release.images[variant];
        if (table === undefined) return [`Flux ${version} has no ${variant} images`];
        const registry = trimRegistry(fromOf(options.from, variant, variants) ?? registryOfVariant(variant));
        const components = componentNames.filter((one) => wanted.includes(one) && one in release.components);
        return components.map((component) => {
          const { tag, digest } = table[component] ?? {};
          if (tag === undefined || digest === undefined)
            return `the ${variant} images of Flux ${version} lack ${component}`;
          return { version, variant, component, repository: `${registry}/${component}`, tag, digest };
        });
      }),
  );
  const images = chosen.filter((one) => typeof one !== "string");
  const lacking = chosen.filter((one) => typeof one === "string");
  if (images.length === 0)
    throw new InputError(`Nothing is chosen: ${lacking.join("; ") || "no version has these components"}`);
  return { images, lacking };
}

function fromOf(from: string | undefined, variant: string, variants: readonly string[]): string | undefined {
  return from === undefined || variants.length === 1 ? from : `${trimRegistry(from)}/${variant}`;
}

function newest(range: string, { versions, known }: Catalogue): string {
  const found = findRelease(range, versions, known === undefined ? {} : { known });
  if (found.kind === "found") return found.version;
  throw new InputError(`--version ${range}: ${found.message}`);
}
