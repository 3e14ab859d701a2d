import { formatApiVersion, gvkOf, type GroupVersionKind } from "../../../kube/gvk.ts";
import { isBuiltInGroup } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import type { Informer } from "../../../runtime/informer.ts";
import type { TaskGroup } from "../../../runtime/task-group.ts";

/** Watches of the kinds that Flux itself brings, which are served only while their CRDs exist. */
export type FollowedKinds = {
  readonly informers: readonly Informer[];
  /** Whether each of them tells every change from now on. */
  readonly isTrusted: boolean;
  /** Watches the kinds of the custom resources among `objects`, and stops all other watches. */
  follow(objects: readonly KubeObject[]): Promise<void>;
};

/** Watches nothing before the first `follow`. `create` makes the informer of a kind, and `group` runs it. */
export function createFollowedKinds(
  group: Pick<TaskGroup, "start" | "stop">,
  create: (gvk: GroupVersionKind) => Informer,
): FollowedKinds {
  const followed = new Map<string, Informer>();
  return {
    get informers() {
      return [...followed.values()];
    },
    get isTrusted() {
      return [...followed.values()].every((informer) => informer.isTrusted);
    },
    follow: async (objects) => {
      const kinds = objects.filter(({ apiVersion }) => !isBuiltInGroup(apiVersion)).map(gvkOf);
      const wanted = new Map(kinds.map((gvk) => [nameOf(gvk), gvk]));
      const left = [...followed.keys()].filter((name) => !wanted.has(name));
      for (const name of left) followed.delete(name);
      await Promise.all(left.map((name) => group.stop(name)));
      for (const [name, gvk] of wanted) {
        if (followed.has(name)) continue;
        const informer = create(gvk);
        followed.set(name, informer);
        group.start({ name, run: (signal) => informer.run(signal) });
      }
    },
  };
}

function nameOf(gvk: GroupVersionKind): string {
  return `watch of ${gvk.kind}.${formatApiVersion(gvk)}`;
}
