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

/** The oldest Kubernetes minor for a Flux version: "1.33" for "2.9.4". Undefined for a Flux minor that we do not know. */
export function minimumKubernetesFor(version: string): string | undefined {
  return minimumKubernetes[`${major(version)}.${minor(version)}`];
}

/** The newest Kubernetes minor that this operator's own tests run on (tools/kubernetes). */
export const testedKubernetes = "1.36";

/** The minor of a Kubernetes version: "1.33" of "v1.33.4-eks-99d6cc0", "v1.33.1+k3s1" or "1.33+". Undefined for text of another form. */
export function kubernetesMinor(version: string): string | undefined {
  const [, majorPart, minorPart] = /^v?(\d+)\.(\d+)(?!\d)/.exec(version) ?? [];
  return majorPart === undefined ? undefined : `${majorPart}.${minorPart}`;
}

/** Whether the minor `left` ("1.9") is older than `right` ("1.30"). */
export function isOlderMinor(left: string, right: string): boolean {
  const [leftMajor = 0, leftMinor = 0] = left.split(".").map(Number);
  const [rightMajor = 0, rightMinor = 0] = right.split(".").map(Number);
  return leftMajor < rightMajor || (leftMajor === rightMajor && leftMinor < rightMinor);
}
