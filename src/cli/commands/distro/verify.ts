import { readFile } from "node:fs/promises";
import { formatReference, parseReference } from "../../../oci/reference.ts";
import { SignatureChecks } from "../../../oci/signatures/signature-checks.ts";
import type { TrustInput, TrustText } from "../../../oci/signatures/trust-input.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { errorMessage, ReasonedError } from "../../../std/errors.ts";
import { openCatalogue, type CatalogueOptions } from "../../catalogue.ts";
import { selectImages, type SelectionOptions } from "../../distro/selection.ts";
import { InputError } from "../../input.ts";
import { openRegistry, readAccess, registryRemedy } from "../../registry-access.ts";
import { exitCodes, type Terminal } from "../../terminal.ts";

export type VerifyOptions = SelectionOptions &
  CatalogueOptions & {
    /** "oci://host/repository:tag" */
    readonly artifact?: string;
    /** Whether images are verified beside an artifact. */
    readonly images?: boolean;
    /** Files with public keys. */
    readonly key?: readonly string[];
    /** A file with a trusted root. */
    readonly trustedRoot?: string;
    /** Regular expressions that one signer's certificate must match. */
    readonly issuer?: string;
    readonly subject?: string;
    readonly fromInsecure?: boolean;
    readonly parallel: number;
  };

/** What is verified: its address, and the digest that its release has, where it is known. */
type Wanted = { readonly address: string; readonly digest?: string };

/**
 * Says of an artifact and of images what the operator would say of their signatures. Resolves to the exit code; throws InputError for the only
 * failure, or an AggregateError of several.
 */
export async function verifyDistribution(
  options: VerifyOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { env } = terminal;
  const trust = await readTrust(options);
  const wanted = await chooseWanted(options, terminal, signal);
  const access = await readAccess(options.fromInsecure === true, env);
  const registry = openRegistry(env);
  try {
    const checks = new SignatureChecks(registry);
    await mapConcurrent(wanted, options.parallel, async ({ address, digest: known }) => {
      try {
        const digest = known ?? (await registry.resolve(address, access, signal)).digest;
        const reference = formatReference({ ...parseReference(address), target: { kind: "digest", digest } });
        await checks.check({ reference, digest }, trust, access, signal);
        terminal.stdout.write(`${reference}: verified\n`);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof ReasonedError)) throw error;
        throw new InputError(error.message + registryRemedy(error, env, "--from-insecure allows plain HTTP"), error);
      }
    });
    return exitCodes.done;
  } finally {
    await registry.close();
  }
}

async function chooseWanted(
  { artifact, images = artifact === undefined, ...options }: VerifyOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<readonly Wanted[]> {
  const addresses = artifact === undefined ? [] : [{ address: artifact }];
  if (!images) return addresses;
  const selection = selectImages(options, await openCatalogue(options, terminal, signal));
  for (const what of selection.lacking) terminal.stderr.write(`warning: ${what}\n`);
  const chosen = selection.images.map(({ repository, tag, digest }) => ({
    address: `oci://${repository}:${tag}`,
    digest,
  }));
  return [...addresses, ...chosen];
}

/** Throws InputError where any signer would do, as `spec.distribution.verify` is refused at admission. */
async function readTrust({ key: keys, trustedRoot, issuer, subject }: VerifyOptions): Promise<TrustInput> {
  if ((issuer === undefined) !== (subject === undefined))
    throw new InputError("--issuer and --subject name one signer together: give both");
  if (keys !== undefined && issuer !== undefined)
    throw new InputError(
      "--key is for signatures with keys, --issuer and --subject for those without: give one of them",
    );
  if (keys === undefined && issuer === undefined && trustedRoot === undefined)
    throw new InputError("Any signature would do: give --key, or --issuer and --subject");
  const root = trustedRoot === undefined ? undefined : await readText(trustedRoot, "--trusted-root");
  return {
    ...(keys === undefined ? {} : { keys: await Promise.all(keys.map((path) => readText(path, "--key"))) }),
    ...(root === undefined ? {} : { trustedRoot: root }),
    ...(issuer === undefined || subject === undefined ? {} : { identities: [{ issuer, subject }] }),
    remedy: "have it signed, copy its signatures along with it, or give the keys or the signer that it has",
  };
}

async function readText(path: string, flag: string): Promise<TrustText> {
  try {
    return { name: path, text: await readFile(path, "utf8") };
  } catch (error) {
    throw new InputError(`${flag} ${path}: ${errorMessage(error)}`, error);
  }
}
