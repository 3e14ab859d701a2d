import { sha256Hex } from "../std/digest.ts";
import { canonicalJson } from "../std/json.ts";
import type { Release } from "./release.ts";

/** Whether both are the same build of one version: the same objects and images, whether embedded or from an artifact. */
export function isSameRelease(left: Release, right: Release): boolean {
  return left === right || (left.version === right.version && digestOf(left) === digestOf(right));
}

const digests = new WeakMap<Release, string>();

/** Memoised by identity: a release is read once, compared at every reconcile and never changed. */
function digestOf(release: Release): string {
  const known = digests.get(release);
  if (known !== undefined) return known;
  const digest = sha256Hex(canonicalJson({ ...release }));
  digests.set(release, digest);
  return digest;
}
