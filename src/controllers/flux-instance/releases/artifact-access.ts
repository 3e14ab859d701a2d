import type { CanonicalSpec } from "../../../api/spec.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { fieldsOf, textOf } from "../../../kube/fields.ts";
import { secretKind } from "../../../kube/kinds.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { isBundleAddress } from "../../../oci/artifact-address.ts";
import { isSameRegistry } from "../../../oci/reference.ts";
import type { RegistryAccess } from "../../../oci/registry.ts";
import { errorMessage, ReasonedError } from "../../../std/errors.ts";

/** A Secret that a registry of the spec needs cannot be used. */
export class ArtifactAccessError extends ReasonedError {
  constructor(message: string, cause?: unknown) {
    super({ reason: "ArtifactFailed", retry: "backoff", message: `Cannot reach the registry: ${message}`, cause });
  }
}

type Distribution = CanonicalSpec["distribution"];
/** The API server, for Secrets. */
export type AccessDeps = { readonly client: Pick<ApiClient, "getOrUndefined"> };

const dockerConfigType = "kubernetes.io/dockerconfigjson";
const dockerConfigKey = ".dockerconfigjson";

/** How the registry of `spec.distribution.artifact` is reached, with the Secrets of `namespace`. Throws ArtifactAccessError. */
export async function readArtifactAccess(
  distribution: Distribution,
  namespace: string,
  deps: AccessDeps,
  signal: AbortSignal,
): Promise<RegistryAccess> {
  if (isBundleAddress(distribution.artifact ?? "")) return {};
  const dockerConfig = await readDockerConfig(distribution, namespace, deps, signal);
  const { artifactCertSecretRef: certificates, artifactInsecure: insecure } = distribution;
  const tls = certificates === undefined ? {} : await readTls({ namespace, name: certificates.name }, deps, signal);
  return { insecure, ...tls, ...(dockerConfig === undefined ? {} : { dockerConfig }) };
}

/**
 * How the registry of the images is reached: with the pull secret that kubelets use. The certificates and `artifactInsecure` were given for the
 * artifact's host: they are used for the same host or, without an artifact, where the spec asks for the registry's digests or for the images'
 * signatures. Throws as `readArtifactAccess`.
 */
export async function readImageAccess(
  distribution: Distribution,
  namespace: string,
  deps: AccessDeps,
  signal: AbortSignal,
): Promise<RegistryAccess> {
  const { artifact: _, artifactPullSecret: __, artifactCertSecretRef, artifactInsecure, ...others } = distribution;
  const transport = sharesTransport(distribution)
    ? { artifactInsecure, ...(artifactCertSecretRef === undefined ? {} : { artifactCertSecretRef }) }
    : { artifactInsecure: false };
  return await readArtifactAccess({ ...others, ...transport }, namespace, deps, signal);
}

function sharesTransport({ artifact, registry, digests, verify }: Distribution): boolean {
  if (artifact === undefined || isBundleAddress(artifact)) return digests === "Registry" || verify?.images === true;
  return isSameRegistry(artifact, `${registry}/image`);
}

type Place = { readonly namespace: string; readonly name: string };

/** One credential often serves both: without a pull secret for the artifact, that for the images is used. */
async function readDockerConfig(
  { artifactPullSecret, imagePullSecret }: Distribution,
  namespace: string,
  deps: AccessDeps,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (artifactPullSecret === undefined && imagePullSecret === undefined) return undefined;
  const [name = "", field] =
    artifactPullSecret === undefined
      ? [imagePullSecret, "imagePullSecret"]
      : [artifactPullSecret, "artifactPullSecret"];
  const place = { namespace, name };
  const secret = await readSecret(place, deps, signal);
  // The user did not name this Secret for the artifact, which may well be public.
  if (artifactPullSecret === undefined && (secret === undefined || secret["type"] !== dockerConfigType))
    return undefined;
  if (secret === undefined) throw absent(place, field, `kubectl create secret docker-registry ${name} -n ${namespace}`);
  if (secret["type"] !== dockerConfigType) {
    const type = textOf(secret["type"]);
    throw new ArtifactAccessError(
      `Secret ${namespace}/${name} is of type ${type}, and a pull secret is of type ${dockerConfigType}; create it with kubectl create secret docker-registry`,
    );
  }
  const text = entryOf(secret, dockerConfigKey);
  if (text === undefined) throw lacks(place, dockerConfigKey);
  return text;
}

async function readTls(
  place: Place,
  deps: AccessDeps,
  signal: AbortSignal,
): Promise<Pick<RegistryAccess, "ca" | "cert" | "key">> {
  const secret = await readSecret(place, deps, signal);
  if (secret === undefined) {
    const command = `kubectl create secret generic ${place.name} -n ${place.namespace} --from-file=ca.crt`;
    throw absent(place, "artifactCertSecretRef", command);
  }
  const ca = entryOf(secret, "ca.crt");
  const cert = entryOf(secret, "tls.crt");
  const key = entryOf(secret, "tls.key");
  if (ca === undefined && cert === undefined) throw lacks(place, "ca.crt, and no tls.crt and tls.key");
  if (cert === undefined && key !== undefined) throw lacks(place, "tls.crt, which belongs to its tls.key");
  if (cert !== undefined && key === undefined) throw lacks(place, "tls.key, which belongs to its tls.crt");
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

async function readSecret(place: Place, { client }: AccessDeps, signal: AbortSignal): Promise<KubeObject | undefined> {
  try {
    return await client.getOrUndefined(secretKind, place, signal);
  } catch (cause) {
    signal.throwIfAborted();
    if (!(cause instanceof ReasonedError)) throw cause;
    throw new ArtifactAccessError(`Secret ${place.namespace}/${place.name}: ${errorMessage(cause)}`, cause);
  }
}

/** The text of an entry; undefined where it is absent or empty. */
export function entryOf(secret: KubeObject, entry: string): string | undefined {
  const text = Buffer.from(textOf(fieldsOf(secret["data"])[entry]), "base64").toString("utf8");
  return text === "" ? undefined : text;
}

function absent({ namespace, name }: Place, field: string, command: string): ArtifactAccessError {
  return new ArtifactAccessError(
    `there is no Secret ${namespace}/${name}; create it (${command}), or change spec.distribution.${field}`,
  );
}

function lacks({ namespace, name }: Place, what: string): ArtifactAccessError {
  return new ArtifactAccessError(`Secret ${namespace}/${name} has no ${what}; add it`);
}
