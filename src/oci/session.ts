import type { AuthTarget } from "./auth.ts";
import { loginRemedy } from "./cloud/cloud-registry.ts";
import type { ExchangeAnswer, Limits } from "./exchange.ts";
import { refusalText, statusFailure } from "./failures.ts";
import { ManifestError, manifestMediaTypes, parseManifest } from "./manifest.ts";
import type { Descriptor, Manifest } from "./manifest.ts";
import { targetName } from "./reference.ts";
import type { Reference } from "./reference.ts";
import { RegistryError } from "./registry-error.ts";

/** The most bytes that a manifest or an index may have. */
export const maxManifestBytes = 4 * 1024 * 1024;

/** One GET or HEAD below the repository. */
export type Ask = {
  readonly path: string;
  readonly accept: string;
  readonly maxBytes: number;
  /** Whether the content is named by its digest. */
  readonly resumable?: boolean;
};

/** Content that its digest names. */
export type Blob = {
  readonly path: string;
  readonly accept: string;
  readonly descriptor: Pick<Descriptor, "digest" | "sizeBytes">;
};

/** One call, from its start to its deadline. */
export type Session = {
  readonly reference: Reference;
  readonly action: string;
  readonly target: AuthTarget;
  readonly limits: Limits;
};

/** The request for the manifest that the reference itself names. */
export function manifestOf({ reference }: Session): Ask {
  const path = `manifests/${targetName(reference.target)}`;
  return { path, accept: manifestMediaTypes.join(", "), maxBytes: maxManifestBytes };
}

/** The media type of an answer, without its parameters. */
export function mediaTypeOf(answer: ExchangeAnswer): string | undefined {
  return answer.header("content-type")?.split(";")[0]?.trim();
}

/** Throws RegistryError when the reference names another digest. */
export function checkPinned(session: Session, digest: string): void {
  const { target } = session.reference;
  if (target.kind === "digest" && target.digest !== digest)
    throw failed(session, "digest-mismatch", `the registry answers with ${digest}`);
}

/** As parseManifest, but throws RegistryError. */
export function readManifest(session: Session, body: Uint8Array, contentType: string | undefined): Manifest {
  return orFailed(session, () => parseManifest(body, contentType));
}

/** What `read` returns; a ManifestError becomes a RegistryError that names the action. */
export function orFailed<T>(session: Session, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof ManifestError) throw failed(session, cause.kind, cause.message, cause);
    throw cause;
  }
}

/** The RegistryError for an answer with 4xx, with what to do. */
export function refusal({ action, target }: Session, { status, url, body }: ExchangeAnswer): RegistryError {
  const hint = status === 401 || status === 403 || status === 404 ? nextStep(target, status) : undefined;
  const said = [refusalText(body), hint].filter((part) => part !== undefined).join("; ");
  return statusFailure({ action, host: url.host, status, ...(said === "" ? {} : { said }) });
}

function nextStep({ credentials, pushes, origin }: AuthTarget, status: number): string {
  if (status === 404) return pushes ? "create the repository" : "check repository and tag";
  if (pushes) return credentials.kind === "anonymous" ? "log in" : "check that this login may push";
  return credentials.kind === "anonymous" ? loginRemedy(origin) : "check the pull secret";
}

/** A RegistryError that names the action. */
export function failed({ action }: Session, kind: RegistryError["kind"], why: string, cause?: unknown): RegistryError {
  return new RegistryError({ kind, message: `Cannot ${action}: ${why}`, cause });
}
