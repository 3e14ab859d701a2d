import type { CanonicalSpec } from "../../../api/spec.ts";
import { requestLimit } from "../../../apply/request.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { ApiError } from "../../../client/api-error.ts";
import { fieldsOf, listOf, textOf } from "../../../kube/fields.ts";
import { podKind } from "../../../kube/kinds.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { containersOf } from "../../../kube/pod-template.ts";
import { parseImage } from "../../../render/images.ts";
import type { Target } from "../../../render/target.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";

/** A controller that runs another image than was applied, both as "ghcr.io/fluxcd/source-controller@sha256:..." in the repository of the spec. */
export type OtherImage = {
  /** The name of the Deployment. */
  readonly name: string;
  readonly applied: string;
  readonly running: string;
};

/**
 * The digest in a container's `imageID`, as far as it names what a registry has: "ghcr.io/a/b@sha256:..." of containerd and CRI-O, and the same
 * behind "docker-pullable://". A digest alone is that of the configuration of an image, which says nothing here.
 */
export function runningDigest(imageID: string): string | undefined {
  return /^(?:docker-pullable:\/\/)?[^@]+@(sha256:[0-9a-f]{64})$/.exec(imageID)?.[1];
}

/** The containers `manager` in `pods` whose digest is another one than that of the Deployment, one for each Deployment and digest. */
export function otherImages(objects: readonly KubeObject[], pods: readonly KubeObject[]): readonly OtherImage[] {
  const found = deploymentsOf(objects).flatMap(({ app, name, repository, digest }) =>
    pods
      .filter(({ metadata }) => metadata.labels?.["app"] === app && metadata.deletionTimestamp === undefined)
      .map(managerDigest)
      .filter((running) => running !== undefined && running !== digest)
      .map((running = "") => ({ name, applied: `${repository}@${digest}`, running: `${repository}@${running}` })),
  );
  return [...new Map(found.map((other) => [`${other.name} ${other.running}`, other])).values()];
}

/** By which digests an image may be pulled: its own, and of an index those of its platforms; undefined when that is not known. */
export type PlatformReader = {
  platformsOf(
    image: string,
    where: { readonly distribution: CanonicalSpec["distribution"]; readonly namespace: string },
    signal: AbortSignal,
  ): Promise<readonly string[] | undefined>;
};

/**
 * Which pods of `target` run what was not applied, as a sentence without a period; undefined when none does. A runtime may report the index, the
 * manifest of its platform, or another index with the same manifest: only what is known of both, and has nothing in common, is told. Throws as
 * ApiClient.
 */
export async function readOtherImages(
  { spec: { distribution }, rendering: { objects } }: Target,
  namespace: string,
  { client, indexContents }: { readonly client: Pick<ApiClient, "list">; readonly indexContents: PlatformReader },
  signal: AbortSignal,
): Promise<string | undefined> {
  // Where the registry is not asked for digests, it is not asked what is in them either, and nothing could be told.
  if (distribution.digests === "Catalog") return undefined;
  const platformsOf = (image: string): Promise<readonly string[] | undefined> =>
    indexContents.platformsOf(image, { distribution, namespace }, signal);
  const found = otherImages(objects, await listControllerPods(objects, namespace, { client }, signal));
  const judged = await mapConcurrent(found, requestLimit, async (other) => {
    const [applied, running] = [await platformsOf(other.applied), await platformsOf(other.running)];
    if (applied === undefined || running === undefined) return [];
    return running.some((digest) => applied.includes(digest)) ? [] : [other];
  });
  return otherImagesText(judged.flat());
}

/** The pods of the controllers in `namespace`; none when the operator may not list them. Throws as ApiClient. */
export async function listControllerPods(
  objects: readonly KubeObject[],
  namespace: string,
  { client }: { readonly client: Pick<ApiClient, "list"> },
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const apps = deploymentsOf(objects).map(({ app }) => app);
  if (apps.length === 0) return [];
  try {
    return (await client.list(podKind, { namespace, labelSelector: `app in (${apps.join(",")})` }, signal)).items;
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return [];
    throw error;
  }
}

/** What users are told of `others`, as a sentence without a period; undefined when there are none. */
export function otherImagesText(others: readonly OtherImage[]): string | undefined {
  if (others.length === 0) return undefined;
  const texts = others.map(
    ({ name, applied, running }) => `${name} runs ${shortDigest(running)} instead of ${shortDigest(applied)}`,
  );
  return `pods run other images than were applied: ${texts.toSorted().join(", ")}; look for an admission webhook that changes images, or for a mirror in the configuration of the nodes`;
}

type AppliedImage = {
  readonly name: string;
  /** The label by which its pods are found. */
  readonly app: string;
  readonly repository: string;
  readonly digest: string;
};

/** The Deployments whose container `manager` is pinned. */
function deploymentsOf(objects: readonly KubeObject[]): readonly AppliedImage[] {
  return objects.flatMap((object) => {
    if (object.kind !== "Deployment") return [];
    const manager = containersOf(object).find(({ name }) => name === "manager");
    const { repository, digest } = parseImage(textOf(manager?.["image"]));
    const selector = fieldsOf(fieldsOf(fieldsOf(object["spec"])["selector"])["matchLabels"]);
    const app = textOf(selector["app"]);
    if (digest === undefined || app === "") return [];
    return [{ name: object.metadata.name, app, repository, digest }];
  });
}

function managerDigest(pod: KubeObject): string | undefined {
  const statuses = listOf(fieldsOf(pod["status"])["containerStatuses"]).map(fieldsOf);
  return runningDigest(textOf(statuses.find(({ name }) => name === "manager")?.["imageID"]));
}

/** "sha256:0123456789ab" */
function shortDigest(image: string): string {
  const digest = image.split("@").at(-1) ?? "";
  return digest.slice(0, "sha256:".length + 12);
}
