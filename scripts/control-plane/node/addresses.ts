/**
 * Where things are on the link between this machine and the node, which is a network namespace. They are fixed, so one cluster with a node runs
 * at a time. Nothing of it leaves the machine.
 */
export const addresses = {
  /** This end of the link, with the API server and the registry. */
  host: "10.250.0.1",
  /** The node's end. */
  node: "10.250.0.2",
  podRange: "10.244.0.0/24",
  /** All pods, as other machines route to them. */
  clusterRange: "10.244.0.0/16",
  serviceRange: "10.96.0.0/16",
  /** The API server's own Service. */
  service: "10.96.0.1",
  dns: "10.96.0.10",
} as const;

export const links = { host: "fxhost", peer: "fxpeer" } as const;
export const nodeName = "real-1";
/** Our part of every cgroup hierarchy. */
export const cgroupName = "fluxnode";
export const registryPort = 5000;
/** Where the node pulls from and everybody pushes to, without TLS. */
export const registryHost = `${addresses.host}:${registryPort}`;
