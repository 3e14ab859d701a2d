import type { ComponentName } from "../release.ts";
import { eventsArg } from "./controller.ts";
import type { Controller } from "./controller.ts";

/** What the controllers have in common that store no artifacts. */
export const statelessController = {
  leadingArgs: [eventsArg],
  trailingArgs: [],
  env: [],
  ports: [],
  readiness: { path: "/readyz", port: "healthz" },
  cpuRequest: "100m",
  mounts: [{ name: "temp", mountPath: "/tmp" }],
  criticalPod: false,
  terminationGracePeriodSeconds: 10,
  recreate: false,
  services: [],
} as const satisfies Omit<Controller, "name">;

/** What the controllers have in common that store artifacts and serve them; `controlPlane` labels the Service. */
export function artifactStorage(name: ComponentName, { controlPlane }: { readonly controlPlane: string }): Controller {
  return {
    ...statelessController,
    name,
    trailingArgs: ["--storage-path=/data", `--storage-adv-addr=${name}.$(RUNTIME_NAMESPACE).svc.cluster.local.`],
    ports: [{ name: "http", containerPort: 9090 }],
    // Ready means that artifacts are served, and only the leader serves them.
    readiness: { path: "/", port: "http" },
    cpuRequest: "50m",
    mounts: [
      { name: "data", mountPath: "/data" },
      { name: "tmp", mountPath: "/tmp" },
    ],
    criticalPod: true,
    recreate: true,
    services: [{ name, controlPlane, targetPort: "http" }],
  };
}
