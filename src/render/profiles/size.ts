import type { ClusterSpec, Component } from "../../api/spec.ts";
import { type Resources, resources } from "./resources.ts";

/** A value of `spec.cluster.size`. */
export type Size = NonNullable<ClusterSpec["size"]>;

/** What a size changes on one controller; absent leaves the release's own. */
export type SizeSettings = { readonly args?: readonly string[]; readonly resources?: Resources };

/** `every` is for controllers that a size does not name. */
export type SizeProfile = { readonly every: SizeSettings } & { readonly [component in Component]?: SizeSettings };

const helmCache = (entries: number) => [
  `--helm-cache-max-size=${entries}`,
  "--helm-cache-ttl=720m",
  "--helm-cache-purge-interval=60m",
];
const workers = (concurrent: number, requeue: string) => [
  `--concurrent=${concurrent}`,
  `--requeue-dependency=${requeue}`,
];

const small = resources("100m/64Mi", "1000m/512Mi");
const medium = resources("100m/128Mi", "2000m/1Gi");
const large = resources("100m/256Mi", "3000m/3Gi");

/** The profiles of `cluster.size`. The user chooses one by the number of objects in the cluster. */
export const sizeProfiles = {
  small: {
    every: { resources: small },
    "kustomize-controller": { args: workers(5, "10s"), resources: small },
    "helm-controller": { args: workers(5, "10s"), resources: small },
    "source-controller": { args: helmCache(10), resources: small },
  },
  medium: {
    every: {},
    "kustomize-controller": { args: workers(10, "5s"), resources: medium },
    "helm-controller": { args: workers(10, "5s"), resources: medium },
    "source-controller": { args: [...helmCache(50), "--concurrent=5"], resources: medium },
  },
  large: {
    every: {},
    "kustomize-controller": { args: workers(20, "5s"), resources: large },
    "helm-controller": { args: workers(20, "5s"), resources: large },
    "source-controller": {
      args: [...helmCache(100), "--concurrent=10"],
      resources: resources("100m/256Mi", "2000m/2Gi"),
    },
  },
} satisfies Record<Size, SizeProfile>;

/** What `size` changes on `component`. */
export function sizeSettings(size: Size, component: Component): SizeSettings {
  const profile: SizeProfile = sizeProfiles[size];
  return profile[component] ?? profile.every;
}
