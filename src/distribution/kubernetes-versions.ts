import { major, minor } from "semver";

/** The oldest Kubernetes minor that each Flux minor runs on, from `flux check`. */
const minimumKubernetes: { readonly [fluxMinor: string]: string } = {
  "2.2": "1.26",
  "2.3": "1.28",
  "2.4": "1.28",
  "2.5": "1.30",
  "2.6": "1.31",
  "2.7": "1.32",
  "2.8": "1.33",
  "2.9": "1.33",
};

/** "1.33" for Flux "2.9.4". undefined for a Flux minor that we do not know. */
export function minimumKubernetesFor(version: string): string | undefined {
  return minimumKubernetes[`${major(version)}.${minor(version)}`];
}
