import type { CanonicalSpec } from "../../../api/spec.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { fieldsOf } from "../../../kube/fields.ts";
import { secretKind } from "../../../kube/kinds.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { SignatureError } from "../../../oci/signatures/signature-error.ts";
import type { TrustInput, TrustText } from "../../../oci/signatures/trust-input.ts";
import { errorMessage, ReasonedError } from "../../../std/errors.ts";
import { entryOf } from "./artifact-access.ts";

type Verify = NonNullable<CanonicalSpec["distribution"]["verify"]>;
type Deps = { readonly client: Pick<ApiClient, "getOrUndefined"> };

const rootEntry = "trusted_root.json";

/** Whose signatures count by `spec.distribution.verify`, with the Secrets of `namespace` as they are now. Throws SignatureError. */
export async function readSignatureTrust(
  { secretRef, matchOIDCIdentity: identities, trustedRootSecretRef }: Verify,
  namespace: string,
  deps: Deps,
  signal: AbortSignal,
): Promise<TrustInput> {
  const keys = secretRef && (await readKeys({ namespace, name: secretRef.name, field: "secretRef" }, deps, signal));
  const rootPlace = { namespace, name: trustedRootSecretRef?.name ?? "", field: "trustedRootSecretRef" };
  const trustedRoot = trustedRootSecretRef && (await readRoot(rootPlace, deps, signal));
  const signer =
    secretRef === undefined
      ? `let a signer of ${identities === undefined ? "the trusted root" : "matchOIDCIdentity"} sign it`
      : `sign it with a key of Secret ${namespace}/${secretRef.name}`;
  return {
    ...(keys === undefined ? {} : { keys }),
    ...(trustedRoot === undefined ? {} : { trustedRoot }),
    ...(identities === undefined ? {} : { identities }),
    remedy: `${signer}, copy its signatures along with it, or change spec.distribution.verify`,
  };
}

/** A Secret, and the field that names it. */
type Place = { readonly namespace: string; readonly name: string; readonly field: string };

async function readKeys(place: Place, deps: Deps, signal: AbortSignal): Promise<readonly TrustText[]> {
  const secret = await readSecret(place, "cosign.pub", deps, signal);
  const entries = Object.keys(fieldsOf(secret["data"])).filter((entry) => entry.endsWith(".pub"));
  if (entries.length === 0) throw lacks(place, "an entry that ends in .pub", "a public key");
  return entries.toSorted().map((entry) => textOf(secret, entry, place));
}

async function readRoot(place: Place, deps: Deps, signal: AbortSignal): Promise<TrustText> {
  const secret = await readSecret(place, rootEntry, deps, signal);
  if (entryOf(secret, rootEntry) === undefined) throw lacks(place, rootEntry, "the trusted root");
  return textOf(secret, rootEntry, place);
}

function textOf(secret: KubeObject, entry: string, { namespace, name }: Place): TrustText {
  return { name: `${entry} of Secret ${namespace}/${name}`, text: entryOf(secret, entry) ?? "" };
}

async function readSecret(place: Place, file: string, { client }: Deps, signal: AbortSignal): Promise<KubeObject> {
  const { namespace, name, field } = place;
  let secret: KubeObject | undefined;
  try {
    secret = await client.getOrUndefined(secretKind, { namespace, name }, signal);
  } catch (cause) {
    signal.throwIfAborted();
    if (!(cause instanceof ReasonedError)) throw cause;
    throw unusable(`Secret ${namespace}/${name}: ${errorMessage(cause)}`, cause);
  }
  if (secret !== undefined) return secret;
  const command = `kubectl create secret generic ${name} -n ${namespace} --from-file=${file}`;
  throw unusable(
    `there is no Secret ${namespace}/${name}; create it (${command}), or change spec.distribution.verify.${field}`,
  );
}

function lacks({ namespace, name }: Place, entry: string, what: string): SignatureError {
  return unusable(`Secret ${namespace}/${name} lacks ${entry} with ${what}; add it`);
}

function unusable(why: string, cause?: unknown): SignatureError {
  return new SignatureError(`Cannot verify signatures: ${why}`, cause);
}
