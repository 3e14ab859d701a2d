import type { JsonObject } from "../../kube/object.ts";

/** Requests and limits of one container, as Kubernetes quantities. */
export type Resources = {
  readonly requests: { readonly cpu: string; readonly memory: string };
  readonly limits: { readonly cpu: string; readonly memory: string };
};

/** Resources from "cpu/memory" texts such as "100m/64Mi", which keep tables readable. */
export function resources(requests: string, limits: string): Resources & JsonObject {
  return { requests: pair(requests), limits: pair(limits) };
}

function pair(text: string): { readonly cpu: string; readonly memory: string } {
  const [cpu = "", memory = ""] = text.split("/");
  return { cpu, memory };
}
