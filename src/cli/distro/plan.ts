import { parseReference, targetName } from "../../oci/reference.ts";
import type { CatalogueOptions } from "../catalogue.ts";
import type { SelectedImage, SelectionOptions } from "./selection.ts";

/** The flags of `distro mirror` and `distro bundle` that choose what is copied, and how. */
export type CopyOptions = SelectionOptions &
  CatalogueOptions & {
    /** "oci://host/repository:tag" of an artifact that is copied, too. */
    readonly artifact?: string;
    readonly platform?: readonly string[];
    readonly fromInsecure?: boolean;
    readonly parallel: number;
  };

/** One thing to be copied: read by `name` in `repository`, and written as `tag` in `place` below the target. */
export type Item = {
  /** "oci://ghcr.io/fluxcd/source-controller" */
  readonly repository: string;
  readonly name: string;
  readonly place: string;
  readonly tag: string;
};

/** What is copied for these images: each by its digest, into a folder of its variant where there are several of them. */
export function itemsOf(images: readonly SelectedImage[]): readonly Item[] {
  const isOne = new Set(images.map(({ variant }) => variant)).size === 1;
  return images.map(({ repository, digest, tag, component, variant }) => ({
    repository: `oci://${repository}`,
    name: digest,
    tag,
    place: isOne ? component : `${variant}/${component}`,
  }));
}

/** What is copied for the artifact at `address`: under the last part of its name, with its tag. Throws RegistryError. */
export function itemOfArtifact(address: string): Item {
  const { host, repository, target } = parseReference(address);
  const name = targetName(target);
  return {
    repository: `oci://${host}/${repository}`,
    name,
    place: repository.slice(repository.lastIndexOf("/") + 1),
    // A digest is no tag, and what nothing names is removed by registries after a while.
    tag: target.kind === "tag" ? name : name.replace(":", "-digest-"),
  };
}
