// Tests: src/controllers/flux-instance/releases/release-source.test.ts, test/integration/digests.test.ts
import type { CanonicalSpec, Component } from "../../../api/spec.ts";
import { findRelease } from "../../../distribution/catalog.ts";
import { imagesToResolve, type LiveDigests, type ResolvedDigests } from "../../../distribution/images.ts";
import type { ObjectKey } from "../../../kube/object.ts";
import { RegistryError, type RegistryErrorKind } from "../../../oci/registry-error.ts";
import type { Registry } from "../../../oci/registry.ts";
import { resolveImages, unresolved, type ResolvedImage } from "../../../oci/resolve-images.ts";
import type { Catalogue } from "../../../render/target.ts";
import { attempt, attemptAsync } from "../../../std/attempt.ts";
import { ReasonedError } from "../../../std/errors.ts";
import type { LookDeps } from "./artifact-look.ts";
import { readImageAccess } from "./artifact-access.ts";

/** Whose images are looked for. */
export type ImageRequest = {
  readonly key: ObjectKey;
  readonly distribution: CanonicalSpec["distribution"];
  readonly components: readonly Component[];
};

/** The images that an instance may run: `desired` are those of the release that the range selects, `all` also those of the release that runs. */
export type WantedImages = { readonly desired: readonly string[]; readonly all: readonly string[] };

/** What is looked for, and what is known already: `known` is used where the registry does not answer. */
export type ImagesFor = ImageRequest & {
  readonly images: WantedImages;
  readonly known: ResolvedDigests;
  /** For each of two rounds of requests, retries included. */
  readonly timeoutMs: number;
};

/** `live` has what the registry said, and what is known of images for which it did not; `problem` is why it did not. */
export type ImageLook = {
  readonly images: WantedImages;
  readonly live: LiveDigests;
  readonly problem?: ReasonedError;
};

export type ImageLookDeps = Omit<LookDeps, "registry"> & { readonly registry: Pick<Registry, "resolve"> };

/** The images whose digests are to be asked for; without a catalogue none. A release that cannot be found or read is for `decide` to refuse. */
export function wantedImages(
  { distribution, components }: ImageRequest,
  catalogue: Catalogue | undefined,
  appliedVersion: string | undefined,
): WantedImages {
  if (catalogue === undefined) return { desired: [], all: [] };
  const found = findRelease(distribution.version, catalogue.versions);
  const imagesOf = (version: string): readonly string[] => {
    const release = attempt(() => catalogue.load(version));
    return release instanceof ReasonedError ? [] : imagesToResolve(release, distribution, components);
  };
  const desired = found.kind === "found" ? imagesOf(found.version) : [];
  const isKnown = appliedVersion !== undefined && catalogue.versions.includes(appliedVersion);
  return { desired, all: isKnown ? [...new Set([...desired, ...imagesOf(appliedVersion)])] : desired };
}

/**
 * Asks the registry for the digests of the images. What is wrong with it or the access to it is part of the result; throws only the signal's
 * reason, and errors that are bugs.
 */
export async function lookAtImages(wanted: ImagesFor, deps: ImageLookDeps, signal: AbortSignal): Promise<ImageLook> {
  const { key, distribution, images, known, timeoutMs } = wanted;
  if (images.all.length === 0) return { images, live: { resolved: known } };
  const access = await attemptAsync(() => readImageAccess(distribution, key.namespace, deps, signal), signal);
  if (access instanceof ReasonedError) return failedLook(images, known, access);
  const results = await resolveImages(images.all, { ...access, timeoutMs }, deps.registry, signal);
  const resolved = { ...known, ...digestsOf(results) };
  const failure = unresolved(results);
  if (failure === undefined) return { images, live: { resolved } };
  return failedLook(images, resolved, problemOf(failure.error, failure.others));
}

/** Whether every image of the desired release has a digest. */
export function isComplete({ images, live }: ImageLook): boolean {
  return images.desired.every((image) => live.resolved[image] !== undefined);
}

/** The images of which `after` knows another digest than `before`. */
export function movedImages(before: ImageLook, after: ImageLook): readonly string[] {
  return after.images.all.filter((image) => after.live.resolved[image] !== before.live.resolved[image]);
}

function failedLook(images: WantedImages, resolved: ResolvedDigests, problem: ReasonedError): ImageLook {
  return { images, live: { resolved, trouble: problem.message }, problem };
}

function digestsOf(results: readonly ResolvedImage[]): ResolvedDigests {
  return Object.fromEntries(results.flatMap((found) => ("digest" in found ? [[found.image, found.digest]] : [])));
}

/** What to check in the spec, appended to the registry's message. */
const remedies: { readonly [kind in RegistryErrorKind]?: string } = {
  reference: "; correct spec.distribution.registry",
  unauthorized: "; it is the Secret of spec.distribution.imagePullSecret",
  credentials: "; correct the Secrets that spec.distribution names",
  "not-found": " of spec.distribution.registry",
  unreachable: "; see spec.distribution.registry, and artifactCertSecretRef for a CA",
};

function problemOf(error: RegistryError, others: string): ReasonedError {
  const { kind, retry, retryAfterMs } = error;
  const message = `${error.message}${remedies[kind] ?? ""}${others}`;
  // Another look cannot help, since the registry in the spec is not valid.
  if (kind === "reference") return new ReasonedError({ reason: "BuildFailed", retry, message, cause: error });
  return new RegistryError({ kind, retry, retryAfterMs, message, cause: error });
}
