import { labels } from "../../api/names.ts";
import type { ApiClient } from "../../client/api-client.ts";
import { pages } from "../../client/pages.ts";
import { componentNames } from "../../distribution/release.ts";
import { isDefinition, kindDefinedBy } from "../../kube/definition.ts";
import { listOf, textOf } from "../../kube/fields.ts";
import type { GroupKind } from "../../kube/gvk.ts";
import { deploymentKind } from "../../kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { containersOf } from "../../kube/pod-template.ts";
import { type Labels, matchesSelector, parseSelector, SelectorError } from "../../kube/selector.ts";

const selectorFlag = "--watch-label-selector";
const allNamespacesFlag = "--watch-all-namespaces";

/** Flags that no controllers but Flux's have. Source: the `main.go` of each, 2.2 to 2.9. */
const fluxFlags: readonly string[] = [
  selectorFlag,
  allNamespacesFlag,
  "--events-addr",
  "--storage-path",
  "--storage-adv-addr",
  "--no-cross-namespace-refs",
  "--no-remote-bases",
  "--default-service-account",
  "--requeue-dependency",
];

const components = new Set<string>(componentNames);

/** All Deployments of Flux controllers, of any installation, in all namespaces. Throws as ApiClient. */
export async function listFluxControllers(
  client: Pick<ApiClient, "listPage">,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const found: KubeObject[] = [];
  for await (const { items } of pages(deploymentKind, {}, client, signal))
    found.push(...items.filter(isFluxController));
  return found;
}

/**
 * Whether a Deployment is one of Flux's controllers. Its component label or the last part of its image must name one, and something of Flux
 * must confirm it: others have controllers of the same name, such as k3s-io/helm-controller.
 */
export function isFluxController(deployment: KubeObject): boolean {
  if (!components.has(componentOf(deployment))) return false;
  const found = deployment.metadata.labels ?? {};
  return (
    found[labels.partOf] === "flux" ||
    found[labels.ownerName] !== undefined ||
    containersOf(deployment).some(({ image }) => textOf(image).split("/").includes("fluxcd")) ||
    argsOf(deployment).some((arg) => fluxFlags.some((flag) => arg === flag || arg.startsWith(`${flag}=`)))
  );
}

/**
 * The controller that a Deployment runs, or that reconciles the kind of a CRD, such as "source-controller"; empty where none is known. The
 * user's `commonMetadata` may have written another component label, so kind and image count as well.
 */
export function componentOf(object: KubeObject): string {
  const label = object.metadata.labels?.[labels.component] ?? "";
  if (isDefinition(object)) return componentOfKind(kindDefinedBy(object)) ?? label;
  if (components.has(label)) return label;
  const named = containersOf(object).map(imageName);
  return named.find((name) => components.has(name)) ?? label;
}

function componentOfKind({ group, kind }: GroupKind): string | undefined {
  if (group === "image.toolkit.fluxcd.io") {
    return kind === "ImageUpdateAutomation" ? "image-automation-controller" : "image-reflector-controller";
  }
  return componentsByGroup[group];
}

const componentsByGroup: { readonly [group: string]: string } = {
  "source.toolkit.fluxcd.io": "source-controller",
  "kustomize.toolkit.fluxcd.io": "kustomize-controller",
  "helm.toolkit.fluxcd.io": "helm-controller",
  "notification.toolkit.fluxcd.io": "notification-controller",
  "source.extensions.fluxcd.io": "source-watcher",
};

/** "ghcr.io/fluxcd/helm-controller:v1.2.0@sha256:..." is "helm-controller". */
function imageName({ image }: JsonObject): string {
  const path = textOf(image).split("@")[0] ?? "";
  return path.split("/").at(-1)?.split(":")[0] ?? "";
}

/** Whether the Flux controller `deployment` would reconcile `object` of a kind: by its component, its namespaces and its label selector. */
export function reconciles(
  deployment: KubeObject,
  kind: GroupKind,
  { metadata }: Pick<KubeObject, "metadata">,
): boolean {
  if (componentOf(deployment) !== componentOfKind(kind)) return false;
  if (!watchesAll(deployment) && metadata.namespace !== deployment.metadata.namespace) return false;
  return selects(selectorOf(deployment), metadata.labels ?? {});
}

/** A selector that cannot be read may select anything. */
function selects(selector: string, found: Labels): boolean {
  try {
    return matchesSelector(parseSelector(selector), found);
  } catch (error) {
    if (error instanceof SelectorError) return true;
    throw error;
  }
}

/** Whether a controller watches all namespaces, as it does without the flag. */
export function watchesAll(deployment: KubeObject): boolean {
  const last = argsOf(deployment).findLast((arg) => arg.split("=")[0] === allNamespacesFlag);
  return !/=(f|false|0)$/i.test(last ?? "");
}

/** Whether two Deployments of one controller may select the same objects. Selectors other than our shards' count as overlapping. */
export function overlaps(stale: KubeObject, wanted: KubeObject): boolean {
  if (wanted.kind !== "Deployment") return false;
  if (componentOf(stale) !== componentOf(wanted)) return false;
  const [left, right] = [selectorOf(stale), selectorOf(wanted)];
  const [a, b] = [readShard(left), readShard(right)];
  if (a === undefined || b === undefined || a.key !== b.key) return true;
  return a.shard === b.shard;
}

/** Reads `key=shard`, and `!key` (objects of no shard: `shard` is undefined). Undefined for any other selector. */
function readShard(selector: string): { readonly key: string; readonly shard: string | undefined } | undefined {
  const [, not = "", key = "", , shard] = /^(!?)([\w./-]+)(=([\w.-]+))?$/.exec(selector) ?? [];
  if (key === "" || (not === "!") === (shard !== undefined)) return undefined;
  return { key, shard };
}

function selectorOf(deployment: KubeObject): string {
  return flagOf(deployment, selectorFlag) ?? "";
}

/** What the last `--flag=value` or `--flag value` says, as pflag reads them. */
function flagOf(deployment: KubeObject, flag: string): string | undefined {
  const args = argsOf(deployment);
  const last = args.findLastIndex((arg) => arg === flag || arg.startsWith(`${flag}=`));
  if (last === -1) return undefined;
  return args[last] === flag ? args[last + 1] : args[last]?.slice(flag.length + 1);
}

/** Command and arguments of all containers of `deployment`, in their order. */
function argsOf(deployment: KubeObject): readonly string[] {
  return containersOf(deployment).flatMap(({ command, args }) => [...listOf(command), ...listOf(args)].map(textOf));
}
