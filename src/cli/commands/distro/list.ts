import { imageVariants } from "../../../distribution/release.ts";
import type { Catalogue } from "../../../render/target.ts";
import { openCatalogue, type CatalogueOptions } from "../../catalogue.ts";
import { columns } from "../../print.ts";
import { selectImages, type SelectedImage, type SelectionOptions } from "../../distro/selection.ts";
import { exitCodes, type Terminal } from "../../terminal.ts";

export type ListOptions = SelectionOptions & CatalogueOptions & { readonly output: "table" | "json" };

/** Prints versions and variants, or, with --version, their images. Throws InputError. */
export async function listDistribution(options: ListOptions, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const catalogue = await openCatalogue(options, terminal, signal);
  const { version = catalogue.versions.toReversed(), variant = imageVariants } = options;
  const { images } = selectImages({ ...options, version, variant }, catalogue);
  if (options.output === "json") terminal.stdout.write(`${JSON.stringify(images, null, 2)}\n`);
  else terminal.stdout.write(options.version === undefined ? overview(images, catalogue) : table(images));
  return exitCodes.done;
}

function overview(images: readonly SelectedImage[], { versions }: Catalogue): string {
  const byVersion = Map.groupBy(images, ({ version }) => version);
  const rows = versions.toReversed().flatMap((version) => {
    const byVariant = Map.groupBy(byVersion.get(version) ?? [], ({ variant }) => variant);
    return [...byVariant].map(([variant, those]) => {
      const [{ repository }] = those as [SelectedImage];
      const registry = repository.slice(0, repository.lastIndexOf("/"));
      return [version, variant, String(those.length), registry];
    });
  });
  return columns([["VERSION", "VARIANT", "IMAGES", "REGISTRY"], ...rows]);
}

function table(images: readonly SelectedImage[]): string {
  const rows = images.map(({ version, variant, repository, tag, digest }) => [
    version,
    variant,
    `${repository}:${tag}`,
    digest,
  ]);
  return columns([["VERSION", "VARIANT", "IMAGE", "DIGEST"], ...rows]);
}
