import type { Component, ShardingSpec } from "../../api/spec.ts";
import type { KubeObject } from "../../kube/object.ts";
import { nameObject } from "../../kube/object-id.ts";
import { appendArgs, podTemplate } from "../deployment.ts";
import { type Draft, isController, type RenderContext } from "../draft.ts";
import { mergeField, readField, setField } from "../edit.ts";
import { notUnderstood } from "../errors.ts";
import { isAtLeast, type Minor } from "../version.ts";
import { servesArtifacts, serviceHost } from "./configure-controllers.ts";

/** Controllers that can be sharded by label, and since which Flux minor. */
const shardable = {
  "source-controller": [2, 0],
  "kustomize-controller": [2, 0],
  "helm-controller": [2, 0],
  "image-reflector-controller": [2, 0],
  "image-automation-controller": [2, 0],
  "source-watcher": [2, 9],
} as const satisfies { readonly [component in Component]?: Minor };
const shardableSince: { readonly [component in Component]?: Minor } = shardable;

/** Kinds of a controller's manifest that each shard has for itself; the other objects are shared. */
const ownKinds: ReadonlySet<string> = new Set(["Deployment", "Service"]);
const shardRole = { "sharding.fluxcd.io/role": "shard" };

/** Restricts the main controllers to objects without the shard label, and adds a Deployment and a Service for each shard. */
export function shard(drafts: readonly Draft[], context: RenderContext): readonly Draft[] {
  const { sharding } = context.spec;
  if (sharding === undefined) return drafts;
  return drafts.flatMap((draft) => {
    if (!isSharded(draft, context.release.version)) return [draft];
    const shards = ownKinds.has(draft.object.kind)
      ? sharding.shards.map((name) => shardDraft(draft, name, sharding, context))
      : [];
    return [narrowMain(draft, sharding, context), ...shards];
  });
}

type ShardedDraft = Draft & { readonly component: Component };

function isSharded(draft: Draft, version: string): draft is ShardedDraft {
  const since = draft.component === undefined ? undefined : shardableSince[draft.component];
  return since !== undefined && isAtLeast(version, since);
}

function narrowMain(draft: ShardedDraft, { key }: ShardingSpec, { release }: RenderContext): Draft {
  if (!isController(draft)) return draft;
  return { ...draft, object: appendArgs(draft.object, release.version, [`--watch-label-selector=!${key}`]) };
}

function shardDraft(draft: ShardedDraft, shard: string, { key }: ShardingSpec, context: RenderContext): Draft {
  const { component } = draft;
  const name = `${draft.object.metadata.name}-${shard}`;
  const renamed = setField(draft.object, ["metadata", "name"], name);
  const marked = mergeField(renamed, ["metadata", "annotations"], shardRole);
  const object = isController(draft)
    ? shardDeployment(marked, { component, shard, key }, context)
    : selectApp(marked, ["spec", "selector", "app"], `${component}-${shard}`, context);
  return { ...draft, object, shard, previousNames: [draft.object.metadata.name] };
}

type ShardRef = { readonly component: Component; readonly shard: string; readonly key: string };

function shardDeployment(object: KubeObject, { component, shard, key }: ShardRef, context: RenderContext): KubeObject {
  const app = `${component}-${shard}`;
  const { domain } = context.spec.cluster;
  // The main address stays before the shard's; the controllers use the last one.
  const address = servesArtifacts.has(component)
    ? [`--storage-adv-addr=${serviceHost(app, "$(RUNTIME_NAMESPACE)", domain)}`]
    : [];
  const args = [...address, `--watch-label-selector=${key}=${shard}`];
  const selecting = selectApp(object, ["spec", "selector", "matchLabels", "app"], app, context);
  const labelled = selectApp(selecting, [...podTemplate, "metadata", "labels", "app"], app, context);
  const marked = mergeField(labelled, [...podTemplate, "metadata", "annotations"], shardRole);
  return appendArgs(marked, context.release.version, args);
}

/** With a selector of another form, main controller and shard would both own the same pods. */
function selectApp(object: KubeObject, path: readonly string[], app: string, { release }: RenderContext): KubeObject {
  if (readField(object, path) === undefined) throw notUnderstood(release.version, nameObject(object), path.join("."));
  return setField(object, path, app);
}
