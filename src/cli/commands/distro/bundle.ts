import { stat } from "node:fs/promises";
import { BundleWriter } from "../../../oci/copy/bundle-writer.ts";
import type { CopyOptions } from "../../distro/plan.ts";
import { chooseItems, openSources } from "../../distro/sources.ts";
import { megabytes, transferAll } from "../../distro/transfer.ts";
import { plural } from "../../print.ts";
import { exitCodes, type Terminal } from "../../terminal.ts";

export type BundleOptions = CopyOptions & { readonly file: string };

/** Writes the chosen images and the artifact into one file. Throws InputError, LayerError or an AggregateError of these. */
export async function bundleDistribution(
  options: BundleOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const items = await chooseItems(options, terminal, signal);
  await using sources = await openSources(options, terminal, signal);
  await using writer = new BundleWriter(options.file);
  const transfers = items.map((item) => sources.transfer(item, writer.sink(item.place)));
  const { images, attached } = await transferAll(transfers, { atOnce: options.parallel, terminal, signal });
  await writer.finish();
  const { size } = await stat(options.file);
  terminal.stdout.write(
    `${options.file}: ${plural(images, "image")} with ${plural(attached, "attachment")}, ${megabytes(size)}\n`,
  );
  return exitCodes.done;
}
