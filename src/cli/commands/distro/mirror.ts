import { openBundle } from "../../../oci/copy/bundle.ts";
import type { Sink } from "../../../oci/copy/place.ts";
import { repositorySink } from "../../../oci/copy/repository.ts";
import type { CopyOptions } from "../../distro/plan.ts";
import { chooseItems, openSources } from "../../distro/sources.ts";
import { megabytes, transferAll, type Transfer } from "../../distro/transfer.ts";
import { InputError } from "../../input.ts";
import { plural } from "../../print.ts";
import { openRegistry, readAccess, registryRemedy } from "../../registry-access.ts";
import { exitCodes, type Terminal } from "../../terminal.ts";

export type MirrorOptions = CopyOptions & {
  /** "registry.example.com/flux" */
  readonly to: string;
  readonly toInsecure?: boolean;
  /** A file of `distro bundle` to copy from, instead of a registry. */
  readonly bundle?: string;
};

/** Copies the chosen images and the artifact, or all of a bundle, into another registry. Throws InputError or an AggregateError of several. */
export async function mirrorDistribution(
  options: MirrorOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { toInsecure: insecure = false, parallel: atOnce } = options;
  const { env } = terminal;
  const to = options.to.replace(/^oci:\/\//, "").replace(/\/+$/, "");
  const access = await readAccess(insecure, env);
  const registry = openRegistry(env);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => registry.close());
  const sinkOf = (place: string): Sink => repositorySink({ address: `oci://${to}/${place}`, access }, registry, signal);
  const startedMs = performance.now();
  const transfers =
    options.bundle === undefined
      ? await fromRegistries(options, sinkOf, { terminal, signal, stack })
      : await fromBundle(options.bundle, sinkOf, { terminal, stack });
  const { images, attached, bytes } = await transferAll(transfers, { atOnce, terminal, signal });
  const seconds = (performance.now() - startedMs) / 1000;
  terminal.stdout.write(
    `${to}: ${plural(images, "image")} with ${plural(attached, "attachment")}, ${megabytes(bytes)} copied in ${seconds.toFixed(1)} s\n`,
  );
  return exitCodes.done;
}

type Opened = { readonly terminal: Terminal; readonly stack: AsyncDisposableStack };

async function fromRegistries(
  options: MirrorOptions,
  sinkOf: (place: string) => Sink,
  { terminal, signal, stack }: Opened & { readonly signal: AbortSignal },
): Promise<readonly Transfer[]> {
  const items = await chooseItems(options, terminal, signal);
  const sources = stack.use(await openSources(options, terminal, signal));
  return items.map((item) => sources.transfer(item, sinkOf(item.place)));
}

async function fromBundle(
  path: string,
  sinkOf: (place: string) => Sink,
  { terminal, stack }: Opened,
): Promise<readonly Transfer[]> {
  const bundle = await openBundle(path);
  if (bundle === undefined) throw new InputError(`--bundle ${path}: it is no file that distro bundle has written`);
  const { images, source } = stack.use(bundle);
  return images.map(({ repository, tag }) => ({
    name: tag,
    tag,
    from: source(repository),
    to: sinkOf(repository),
    label: `${repository}:${tag}`,
    remedy: (error) => registryRemedy(error, terminal.env, "--to-insecure allows plain HTTP"),
  }));
}
