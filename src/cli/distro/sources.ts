import { openCatalogue } from "../catalogue.ts";
import { repositorySource } from "../../oci/copy/repository.ts";
import type { Sink } from "../../oci/copy/place.ts";
import { openRegistry, readAccess, registryRemedy } from "../registry-access.ts";
import type { Terminal } from "../terminal.ts";
import { itemOfArtifact, itemsOf, type CopyOptions, type Item } from "./plan.ts";
import { selectImages } from "./selection.ts";
import type { Transfer } from "./transfer.ts";

/** Registries to copy from, with the user's login. */
export type Sources = AsyncDisposable & {
  /** How `item` is copied to `to`. */
  readonly transfer: (item: Item, to: Sink) => Transfer;
};

/** All that the flags choose; what the releases lack is warned of. Throws InputError, or RegistryError for an artifact that is no address. */
export async function chooseItems(
  options: CopyOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<readonly Item[]> {
  const catalogue = await openCatalogue(options, terminal, signal);
  const { images, lacking } = selectImages(options, catalogue);
  for (const what of lacking) terminal.stderr.write(`warning: ${what}\n`);
  return [...itemsOf(images), ...(options.artifact === undefined ? [] : [itemOfArtifact(options.artifact)])];
}

/** Opens the registries that the flags read from. Throws InputError. */
export async function openSources(
  { fromInsecure: insecure = false, platform }: Pick<CopyOptions, "fromInsecure" | "platform">,
  { env }: Pick<Terminal, "env">,
  signal: AbortSignal,
): Promise<Sources> {
  const access = await readAccess(insecure, env);
  const registry = openRegistry(env);
  return {
    transfer: ({ repository: address, name, tag }, to) => ({
      name,
      tag,
      to,
      ...(platform === undefined ? {} : { platforms: platform }),
      from: repositorySource({ address, access }, registry, signal),
      label: `${address.slice("oci://".length)}:${tag}`,
      remedy: (error) => registryRemedy(error, env, "--from-insecure and --to-insecure allow plain HTTP"),
    }),
    [Symbol.asyncDispose]: () => registry.close(),
  };
}
