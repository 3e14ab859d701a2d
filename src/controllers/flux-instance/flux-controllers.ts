import { labels } from "../../api/names.ts";
import { listOf, textOf } from "../../kube/fields.ts";
import type { KubeObject } from "../../kube/object.ts";
import { containersOf } from "../../kube/pod-template.ts";

const selectorFlag = "--watch-label-selector=";

/** Whether two Deployments of one controller may select the same objects. Selectors other than our shards' count as overlapping. */
export function overlaps(stale: KubeObject, wanted: KubeObject): boolean {
  if (wanted.kind !== "Deployment") return false;
  if (componentOf(stale) !== componentOf(wanted)) return false;
  const [left, right] = [selectorOf(stale), selectorOf(wanted)];
  const [a, b] = [readSelector(left), readSelector(right)];
  if (a === undefined || b === undefined || a.key !== b.key) return true;
  return a.shard === b.shard;
}

/** Reads `key=shard`, and `!key` (objects of no shard: `shard` is undefined). Undefined for any other selector. */
function readSelector(selector: string): { readonly key: string; readonly shard: string | undefined } | undefined {
  const [, not = "", key = "", , shard] = /^(!?)([\w./-]+)(=([\w.-]+))?$/.exec(selector) ?? [];
  if (key === "" || (not === "!") === (shard !== undefined)) return undefined;
  return { key, shard };
}

/** The value of the component label, such as "source-controller"; empty without the label. */
export function componentOf(deployment: KubeObject): string {
  return deployment.metadata.labels?.[labels.component] ?? "";
}

/** The arguments of all containers of `deployment`, in their order. */
export function argsOf(deployment: KubeObject): readonly string[] {
  return containersOf(deployment).flatMap(({ args }) => listOf(args).map(textOf));
}

function selectorOf(deployment: KubeObject): string {
  return (
    argsOf(deployment)
      .findLast((arg) => arg.startsWith(selectorFlag))
      ?.slice(selectorFlag.length) ?? ""
  );
}
