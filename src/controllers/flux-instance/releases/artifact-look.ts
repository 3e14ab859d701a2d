// Tests: src/controllers/flux-instance/releases/release-source.test.ts, test/integration/artifact.test.ts
import type { CanonicalSpec } from "../../../api/spec.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { ArtifactError } from "../../../distribution/artifact-error.ts";
import { findRelease } from "../../../distribution/catalog.ts";
import type { ObjectKey } from "../../../kube/object.ts";
import { addressOfDigest, pinnedDigest } from "../../../oci/artifact-address.ts";
import { LayerError } from "../../../oci/layer-error.ts";
import { RegistryError, type RegistryErrorKind } from "../../../oci/registry-error.ts";
import type { Registry, RegistryAccess } from "../../../oci/registry.ts";
import type { SignatureChecks } from "../../../oci/signatures/signature-checks.ts";
import type { TrustInput } from "../../../oci/signatures/trust-input.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { readArtifactAccess } from "./artifact-access.ts";
import { CachedArtifact } from "./cached-artifact.ts";
import { readSignatureTrust } from "./signature-trust.ts";

/** What a look needs: the registry, and the API server for Secrets. */
export type LookDeps = {
  readonly registry: Pick<Registry, "resolve" | "fetch">;
  readonly signatures: Pick<SignatureChecks, "check" | "isGood">;
  readonly client: Pick<ApiClient, "getOrUndefined">;
};

/** What is looked for, and what is cached already. */
export type LookFor = {
  readonly key: ObjectKey;
  readonly distribution: CanonicalSpec["distribution"] & { readonly artifact: string };
  /** The release that runs. It is read beside the one that the range selects, so that the upgrade policy can stay with it. */
  readonly appliedVersion: string | undefined;
  readonly cached: readonly CachedArtifact[];
  readonly rejected?: Rejected;
};

/** An artifact that cannot be used. The content of a digest never changes, so it is not pulled again. */
export type Rejected = { readonly digest: string; readonly error: ReasonedError };

/** `artifact` is the newest that can be used, `problem` why that is not what the registry has now. */
export type ArtifactLook =
  | { readonly kind: "found"; readonly artifact: CachedArtifact }
  | {
      readonly kind: "failed";
      readonly problem: ReasonedError;
      readonly artifact?: CachedArtifact;
      readonly rejected?: Rejected;
    };

const timeoutMs = 30_000;

/**
 * Asks the registry for the artifact's digest, verifies its signature where the spec wants that, and pulls what is not cached yet. What is wrong with the artifact or the access to it is part of
 * the result; throws only the signal's reason, and errors that are bugs.
 */
export async function lookAtArtifact(wanted: LookFor, deps: LookDeps, signal: AbortSignal): Promise<ArtifactLook> {
  const { artifact: reference } = wanted.distribution;
  const cached = wanted.cached.filter((artifact) => artifact.reference === reference);
  const { key, distribution } = wanted;
  let digest: string | undefined;
  let trust: TrustInput | undefined;
  try {
    trust = distribution.verify && (await readSignatureTrust(distribution.verify, key.namespace, deps, signal));
    const access = { ...(await readArtifactAccess(distribution, key.namespace, deps, signal)), timeoutMs };
    digest = await digestOf({ ...wanted, cached }, access, deps, signal);
    if (wanted.rejected?.digest === digest) throw wanted.rejected.error;
    const address = await verifiedAddress({ reference, digest }, trust, { access, ...deps }, signal);
    const artifact =
      cached.find((candidate) => candidate.digest === digest) ??
      (await pull({ reference, address }, access, deps, signal));
    await prepare(artifact, wanted, signal);
    return { kind: "found", artifact };
  } catch (thrown) {
    const problem = problemOf(thrown, signal);
    const rejected = digest !== undefined && isContent(problem) ? { rejected: { digest, error: problem } } : {};
    const isTrusted = ({ digest: held }: CachedArtifact): boolean =>
      distribution.verify === undefined || (trust !== undefined && deps.signatures.isGood(held, trust));
    return { kind: "failed", problem, ...rejected, ...(await useHeld(cached.filter(isTrusted), wanted, signal)) };
  }
}

type Resolved = { readonly reference: string; readonly digest: string };

/** The address to pull from: that of the digest whose signature was verified, since the tag may move meanwhile. */
async function verifiedAddress(
  { reference, digest }: Resolved,
  trust: TrustInput | undefined,
  { access, signatures }: Pick<LookDeps, "signatures"> & { readonly access: RegistryAccess },
  signal: AbortSignal,
): Promise<string> {
  if (trust === undefined) return reference;
  const address = addressOfDigest(reference, digest);
  await signatures.check({ reference: address, digest }, trust, access, signal);
  return address;
}

/** The first cached artifact from which the request can be served. */
async function useHeld(
  cached: readonly CachedArtifact[],
  wanted: LookFor,
  signal: AbortSignal,
): Promise<{ readonly artifact?: CachedArtifact }> {
  for (const artifact of cached) {
    try {
      await prepare(artifact, wanted, signal);
      return { artifact };
    } catch (thrown) {
      problemOf(thrown, signal); // Only the problem of the newest artifact is reported.
    }
  }
  return {};
}

async function digestOf(
  { distribution, cached }: LookFor,
  access: RegistryAccess,
  { registry }: LookDeps,
  signal: AbortSignal,
): Promise<string> {
  const pinned = pinnedDigest(distribution.artifact);
  if (pinned !== undefined && cached.some(({ digest }) => digest === pinned)) return pinned;
  return (await registry.resolve(distribution.artifact, access, signal)).digest;
}

/** `reference` is the address as the user wrote it. */
async function pull(
  { reference, address }: { readonly reference: string; readonly address: string },
  access: RegistryAccess,
  { registry }: LookDeps,
  signal: AbortSignal,
): Promise<CachedArtifact> {
  const { digest, tarball } = await registry.fetch(address, access, signal);
  return await CachedArtifact.open({ digest, tarball, reference }, signal);
}

/** A range that selects no release is refused by `decide`. */
async function prepare(
  artifact: CachedArtifact,
  { distribution, appliedVersion }: LookFor,
  signal: AbortSignal,
): Promise<void> {
  const found = findRelease(distribution.version, artifact.versions);
  if (found.kind === "found") await artifact.prepare(found.version, signal);
  if (appliedVersion === undefined || !artifact.versions.includes(appliedVersion)) return;
  try {
    await artifact.prepare(appliedVersion, signal);
  } catch (thrown) {
    problemOf(thrown, signal); // Loading it will fail; an upgrade to another release does not need it.
  }
}

function isContent(error: ReasonedError): boolean {
  return error instanceof ArtifactError || error instanceof LayerError;
}

/** What to check in the spec, appended to the registry's message. */
const remedies: { readonly [kind in RegistryErrorKind]?: string } = {
  unauthorized: "; it is the Secret of spec.distribution.artifactPullSecret",
  credentials: "; correct the Secrets that spec.distribution names for the artifact",
  "not-found": " of spec.distribution.artifact",
  unreachable: "; see spec.distribution.artifact, artifactCertSecretRef for a CA and artifactInsecure for plain HTTP",
};

function problemOf(thrown: unknown, signal: AbortSignal): ReasonedError {
  signal.throwIfAborted();
  if (!(thrown instanceof ReasonedError)) throw thrown;
  if (!(thrown instanceof RegistryError)) return thrown;
  const { kind, message, retry, retryAfterMs } = thrown;
  // Another look cannot help, since the reference in the spec is not valid.
  if (kind === "reference") {
    const corrected = `${message}; correct spec.distribution.artifact`;
    return new ReasonedError({ reason: "BuildFailed", retry, message: corrected, cause: thrown });
  }
  return new RegistryError({
    kind,
    retry,
    retryAfterMs,
    message: `${message}${remedies[kind] ?? ""}`,
    cause: thrown,
  });
}
