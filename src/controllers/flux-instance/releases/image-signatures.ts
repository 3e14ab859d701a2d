import type { CanonicalSpec } from "../../../api/spec.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { podImagesOf } from "../../../kube/pod-template.ts";
import { isDigest, isSameRegistry, referenceOfImage } from "../../../oci/reference.ts";
import { RegistryError } from "../../../oci/registry-error.ts";
import type { RegistryAccess } from "../../../oci/registry.ts";
import type { SignatureChecks } from "../../../oci/signatures/signature-checks.ts";
import { SignatureError } from "../../../oci/signatures/signature-error.ts";
import type { Subject, TrustInput } from "../../../oci/signatures/trust-input.ts";
import { attemptAsync } from "../../../std/attempt.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { ReasonedError } from "../../../std/errors.ts";
import type { Converging } from "../decision.ts";
import type { World } from "../world.ts";
import { readImageAccess } from "./artifact-access.ts";
import { readSignatureTrust } from "./signature-trust.ts";

/** The signatures, and the API server for Secrets. */
export type ImageSignatureDeps = {
  readonly signatures: Pick<SignatureChecks, "check">;
  readonly client: Pick<ApiClient, "getOrUndefined">;
};

/** What is to be applied, and for each image how long its registry may take. */
export type ImagesToVerify = {
  readonly distribution: CanonicalSpec["distribution"];
  readonly objects: readonly KubeObject[];
  readonly namespace: string;
  readonly timeoutMs: number;
};

const timeoutMs = 30_000;
/** What runs is settled and told of without much delay, wherever its registry is. */
const shortTimeoutMs = 5_000;

/**
 * Verifies the images of an install or upgrade before anything of it is written. A rollback returns to images that were verified when they were
 * applied. Throws as `verifyImages`.
 */
export async function verifyBeforeApply(
  decision: Converging,
  world: World,
  deps: ImageSignatureDeps,
  signal: AbortSignal,
): Promise<void> {
  if (decision.kind !== "install" && decision.kind !== "upgrade") return;
  await verifyImages(imagesOf(decision, world, timeoutMs), deps, signal);
}

/**
 * The decision with, as its problem, why the images that run cannot be trusted; the same decision where they can. Keys and signers may be others
 * since they were applied. It stops nothing: what runs is left alone.
 */
export async function withImageProblem(
  decision: Converging,
  world: World,
  deps: ImageSignatureDeps,
  signal: AbortSignal,
): Promise<Converging> {
  if (decision.kind !== "settle" || decision.problem !== undefined) return decision;
  const verify = (): Promise<void> => verifyImages(imagesOf(decision, world, shortTimeoutMs), deps, signal);
  const problem = await attemptAsync(verify, signal);
  return problem === undefined ? decision : { ...decision, problem };
}

function imagesOf({ spec, rendering }: Converging, { key }: World, ms: number): ImagesToVerify {
  const { distribution } = spec;
  return { distribution, objects: rendering.objects, namespace: key.namespace, timeoutMs: ms };
}

/** Registries limit who asks for much at once. */
const concurrency = 4;

/**
 * Verifies every image in the pods of the controllers where `spec.distribution.verify.images` wants that, those of a user's patches among them.
 * Throws ReasonedError: SignatureError where a signature or what is trusted is the cause, and where the registry does not answer.
 */
export async function verifyImages(
  wanted: ImagesToVerify,
  deps: ImageSignatureDeps,
  signal: AbortSignal,
): Promise<void> {
  const { distribution, objects, namespace } = wanted;
  const { verify } = distribution;
  if (verify?.images !== true) return;
  const trust = await readSignatureTrust(verify, namespace, deps, signal);
  const [first, ...others] = controllerImages(objects).map(subjectOf);
  if (first === undefined) return;
  const access = await readImageAccess(distribution, namespace, deps, signal);
  const check = (image: Subject): Promise<ReasonedError | undefined> => {
    const own = { ...accessTo(image, distribution.registry, access), timeoutMs: wanted.timeoutMs };
    return problemOf(image, trust, { access: own, ...deps }, signal);
  };
  // Alone: when the registry is away, it is not asked for the others.
  const found = await check(first);
  if (found !== undefined && !(found instanceof SignatureError)) throw unanswered(found);
  const rest = await mapConcurrent(others, concurrency, check);
  const [problem, ...more] = [found, ...rest].filter((each) => each !== undefined);
  if (problem === undefined) return;
  const likewise = more.length === 0 ? "" : `; likewise ${more.length} more ${more.length === 1 ? "image" : "images"}`;
  throw problem instanceof SignatureError
    ? new SignatureError(`${problem.message}${likewise}`, problem)
    : unanswered(problem);
}

/** Sidecars, too: they run with the controller's service account. */
function controllerImages(objects: readonly KubeObject[]): readonly string[] {
  return [...new Set(objects.filter(({ kind }) => kind === "Deployment").flatMap(podImagesOf))];
}

function subjectOf(image: string): Subject {
  const digest = image.slice(image.indexOf("@") + 1);
  if (isDigest(digest)) return { reference: referenceOfImage(image), digest };
  throw new SignatureError(
    `Cannot trust the image ${image}: it has no digest, which is what a signature is of; choose a registry and variant whose images are pinned, write it with its digest where a patch sets it, or remove spec.distribution.verify.images`,
  );
}

/** A patch may take an image from another registry, for which certificates and plain HTTP were not meant. */
function accessTo({ reference }: Subject, registry: string, access: RegistryAccess): RegistryAccess {
  if (isSameRegistry(reference, `${registry}/image`)) return access;
  return access.dockerConfig === undefined ? {} : { dockerConfig: access.dockerConfig };
}

type CheckDeps = Pick<ImageSignatureDeps, "signatures"> & { readonly access: RegistryAccess };

async function problemOf(
  subject: Subject,
  trust: TrustInput,
  { signatures, access }: CheckDeps,
  signal: AbortSignal,
): Promise<ReasonedError | undefined> {
  const result = await attemptAsync(() => signatures.check(subject, trust, access, signal), signal);
  return result instanceof ReasonedError ? result : undefined;
}

function unanswered(problem: ReasonedError): ReasonedError {
  if (!(problem instanceof RegistryError)) return problem;
  return new SignatureError(`${problem.message}; see spec.distribution.registry and imagePullSecret`, problem);
}
