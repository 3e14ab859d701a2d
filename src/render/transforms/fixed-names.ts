import { labels } from "../../api/names.ts";
import { fieldsOf } from "../../kube/fields.ts";
import { isBuiltInGroup } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import { PatchProblem } from "../../patch/patch-error.ts";
import type { Draft } from "../draft.ts";

/** A name that must stay, why, and what to do instead. */
type FixedName = {
  readonly holds: (object: KubeObject, drafts: readonly Draft[]) => boolean;
  readonly why: string;
};

const fixedNames: readonly FixedName[] = [
  {
    holds: ({ kind }) => kind === "Namespace",
    why: "the name is that of the instance's namespace; for another one create the instance there",
  },
  {
    holds: ({ kind }) => kind === "CustomResourceDefinition",
    why: "the API server takes no other name for this CRD; leave it as it is",
  },
  {
    holds: ({ kind, metadata }) => kind === "Deployment" && metadata.labels?.[labels.component] !== undefined,
    why: "the operator finds a controller by the name of its Deployment, to apply it in order and to tell its image; leave it as it is",
  },
  {
    // That of a shard is "source-controller-a"; webhook-receiver is for callers outside, who have their own Ingress.
    holds: ({ kind, metadata }) =>
      kind === "Service" && isNamedAfter(metadata.name, metadata.labels?.[labels.component]),
    why: "the controllers reach each other by the name of this Service, which stands in their flags; leave it as it is",
  },
  {
    holds: ({ apiVersion, kind }) => kind !== "CustomResourceDefinition" && !isBuiltInGroup(apiVersion),
    why: "spec.sync.name names the source and the Kustomization; set that instead",
  },
  {
    holds: ({ kind, metadata }, drafts) =>
      kind === "ServiceAccount" &&
      drafts.some(({ object }) => fieldsOf(object["spec"])["serviceAccountName"] === metadata.name),
    why: "the Kustomization of spec.sync runs as this ServiceAccount, by its name; leave it as it is",
  },
];

function isNamedAfter(name: string, component: string | undefined): boolean {
  return component !== undefined && (name === component || name.startsWith(`${component}-`));
}

/** Refuses that a patch renames, or labels otherwise, what the operator, the API server or the controllers find by it. Throws PatchProblem. */
export function refuseRenames(before: KubeObject, after: KubeObject, drafts: readonly Draft[]): void {
  refuseOtherComponent(before, after);
  if (before.metadata.name === after.metadata.name) return;
  const fixed = fixedNames.find(({ holds }) => holds(before, drafts));
  if (fixed === undefined) return;
  throw new PatchProblem(`it renames it to ${after.metadata.name}, and ${fixed.why}`);
}

function refuseOtherComponent(before: KubeObject, after: KubeObject): void {
  const [own, other] = [before, after].map(({ metadata }) => metadata.labels?.[labels.component]);
  if (before.kind !== "Deployment" || own === undefined || own === other) return;
  throw new PatchProblem(
    `it takes the label ${labels.component}: ${own} from it, by which the operator finds the controller to apply it in order; leave the label as it is`,
  );
}
