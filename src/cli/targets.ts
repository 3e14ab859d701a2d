import { readAnnotations } from "../api/annotations.ts";
import { canonicalInstance } from "../api/canonical.ts";
import { describeProblem, InvalidInstanceError, parseFluxInstance } from "../api/flux-instance.ts";
import type { ObjectKey } from "../kube/object.ts";
import { isBundleAddress } from "../oci/artifact-address.ts";
import { targetOf, type Target } from "../render/target.ts";
import { ReasonedError } from "../std/errors.ts";
import { InputError, type WrittenInstance } from "./input.ts";
import { withLiveDigests, type Sources } from "./live-digests.ts";
import type { Terminal } from "./terminal.ts";

/** The target of one FluxInstance. */
export type InstanceTarget = Target & {
  readonly source: string;
  readonly key: ObjectKey;
  /** Values in the spec and the annotations that are not used, and why. */
  readonly warnings: readonly string[];
  /** Whether reconciliation is disabled by annotation. */
  readonly suspended: boolean;
};

/**
 * Builds all instances, as the controller does; the registry of the images is asked as `withLiveDigests` says. Throws an InputError for
 * each that cannot be built, and an AggregateError of several.
 */
export async function buildTargets(
  instances: readonly WrittenInstance[],
  sources: Sources,
  terminal: Pick<Terminal, "env">,
  signal: AbortSignal,
): Promise<readonly InstanceTarget[]> {
  const targets: InstanceTarget[] = [];
  const refusals: InputError[] = [];
  for (const instance of instances) {
    try {
      targets.push(await buildTarget(instance, sources, terminal, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ReasonedError)) throw error;
      refusals.push(refusalOf(instance, error));
    }
  }
  const [first, ...others] = refusals;
  if (first !== undefined) throw others.length === 0 ? first : new AggregateError(refusals);
  return targets;
}

async function buildTarget(
  { source, document }: WrittenInstance,
  sources: Sources,
  terminal: Pick<Terminal, "env">,
  signal: AbortSignal,
): Promise<InstanceTarget> {
  const instance = parseFluxInstance(document);
  const canonical = canonicalInstance(instance);
  const { metadata } = instance;
  const { reconcile, warnings } = readAnnotations(metadata.annotations);
  const { catalogue } = sources;
  const target = targetOf(canonical, await withLiveDigests(canonical, sources, terminal, signal));
  const { artifact, verify } = target.spec.distribution;
  const isRead = artifact === undefined || catalogue.known !== undefined;
  const place = artifact !== undefined && isBundleAddress(artifact) ? "with the path of the bundle" : artifact;
  const unread = `spec.distribution.artifact is not read here, the embedded releases are: for those of the artifact add --distribution ${place}`;
  const unverified =
    "spec.distribution.verify is not carried out here: the operator verifies signatures before it applies";
  return {
    ...target,
    source,
    key: { namespace: metadata.namespace ?? "", name: metadata.name },
    warnings: [
      ...(isRead ? [] : [unread]),
      ...(verify === undefined ? [] : [unverified]),
      ...warnings.map(({ message }) => message),
    ],
    suspended: reconcile === "disabled",
  };
}

function refusalOf({ source }: WrittenInstance, error: ReasonedError): InputError {
  if (!(error instanceof InvalidInstanceError)) return new InputError(`${source}: ${error.message}`, error);
  const problems = error.problems.map((problem) => `\n  ${describeProblem(problem)}`);
  return new InputError(`${source}: Cannot use this FluxInstance:${problems.join("")}`, error);
}
