import { formatReference, isDigest, parseReference } from "./reference.ts";
import { RegistryError } from "./registry-error.ts";

/** A bundle by its name in the folder of bundles, and which artifact it must have. */
export type BundleAddress = { readonly name: string; readonly digest?: string };

const scheme = "bundle://";
/** One name, no path: whoever writes an instance chooses among the bundles and among nothing else. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/;

/** Whether the address of an artifact is that of a bundle, "bundle://flux.tar", and not one of a registry. */
export function isBundleAddress(address: string): boolean {
  return address.startsWith(scheme);
}

/** Reads "bundle://flux.tar", with "@sha256:..." behind it or not. Throws RegistryError of kind `reference`. */
export function parseBundleAddress(address: string): BundleAddress {
  const [name = "", digest] = address.slice(scheme.length).split("@");
  if (!isBundleAddress(address) || !namePattern.test(name) || (digest !== undefined && !isDigest(digest))) {
    throw new RegistryError({
      kind: "reference",
      retry: "on-change",
      message: `Cannot read the address ${JSON.stringify(address.slice(0, 300))}: a bundle is named like ${scheme}flux.tar, by letters, digits, dots, dashes and underscores`,
    });
  }
  return digest === undefined ? { name } : { name, digest };
}

/** The digest in an address; undefined where what it names may change. Throws RegistryError of kind `reference`. */
export function pinnedDigest(address: string): string | undefined {
  if (isBundleAddress(address)) return parseBundleAddress(address).digest;
  const { target } = parseReference(address);
  return target.kind === "digest" ? target.digest : undefined;
}

/** The address of what `address` names now, by its digest. Throws RegistryError of kind `reference`. */
export function addressOfDigest(address: string, digest: string): string {
  if (isBundleAddress(address)) return `${scheme}${parseBundleAddress(address).name}@${digest}`;
  return formatReference({ ...parseReference(address), target: { kind: "digest", digest } });
}
