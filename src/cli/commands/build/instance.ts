import { compareForFluxApply } from "../../../render/apply-order.ts";
import { openCatalogue, type CatalogueOptions } from "../../catalogue.ts";
import { readInstances, type ReadOptions } from "../../input.ts";
import { printObjects, printReport, printWarnings, type OutputFormat } from "../../print.ts";
import { buildTargets } from "../../targets.ts";
import { exitCodes, type Terminal } from "../../terminal.ts";

/**
 * Prints the objects of every FluxInstance in the order of apply; nothing at all when one cannot be built. Resolves to the exit code. Throws as
 * `readInstances` and `buildTargets`.
 */
export async function buildInstances(
  options: ReadOptions & CatalogueOptions & { readonly output: OutputFormat },
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const instances = await readInstances(options, terminal, signal);
  const sources = { catalogue: await openCatalogue(options, terminal, signal), asksMirrors: false };
  const targets = await buildTargets(instances, sources, terminal, signal);
  for (const { source, warnings, rendering } of targets) {
    printWarnings(source, warnings, terminal);
    printReport(source, rendering, terminal);
  }
  const groups = targets.map(({ source, rendering }) => ({
    source,
    objects: rendering.objects.toSorted(compareForFluxApply),
  }));
  printObjects(groups, options.output, terminal);
  return exitCodes.done;
}
