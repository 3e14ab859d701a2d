import { embeddedVersions, loadRelease } from "../distribution/load.ts";
import type { Catalogue } from "../render/target.ts";
import { InputError } from "./input.ts";
import type { Terminal } from "./terminal.ts";

/** The flags that say where releases come from. */
export type CatalogueOptions = {
  /** Where an artifact is: a folder, a tarball, or oci://host/repository[:tag][@digest]. */
  readonly distribution?: string;
  /** Whether the registry of `distribution` is reached over plain HTTP. */
  readonly distributionInsecure?: boolean;
};

const embedded: Catalogue = { versions: embeddedVersions, load: (version) => loadRelease(version) };

/** The releases of the artifact that `distribution` names; the embedded ones, without a network, when it names none. Throws InputError. */
export async function openCatalogue(
  { distribution, distributionInsecure: insecure = false }: CatalogueOptions,
  terminal: Pick<Terminal, "env" | "stderr">,
  signal: AbortSignal,
): Promise<Catalogue> {
  if (insecure && distribution?.startsWith("oci://") !== true)
    throw new InputError("--distribution-insecure is only for an oci:// address after --distribution: leave it out");
  if (distribution === undefined) return embedded;
  // A plain build needs none of the modules that read artifacts, which take longer to import than everything else.
  const { openArtifactCatalogue } = await import("./artifact-catalogue.ts");
  return await openArtifactCatalogue({ place: distribution, insecure }, terminal, signal);
}
