import type { JsonObject, JsonValue, KubeObject } from "../../../src/kube/object.ts";
import type { Answer } from "./api-server.ts";
import type { Fault } from "./wire.ts";

export const namespace = "flux-system";
export const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;

/** A fault that hits the operator's requests after some of them. `killed`: the process dies when the request has been carried out. */
export type Trouble = { readonly after: number; readonly fault: Fault | "killed"; readonly times: number };

/** Where a script is played: a cluster in memory, or a real one. */
export type Stage = {
  /** A user's request; a merge patch, where nothing else is said. */
  ask(method: string, path: string, body?: JsonValue, contentType?: string): Promise<Answer>;
  instance(): Promise<KubeObject | undefined>;
  /** What has the instance's labels, by kind and name; no pods. */
  managed(): Promise<readonly KubeObject[]>;
  trouble(trouble: Trouble): Promise<void>;
  restart(isNewer: boolean): Promise<void>;
  /** Ends the operator's watches; it has to list again when they expire. */
  dropWatches(expire: boolean): Promise<void>;
  /** The pods of a minor crash from now on; those of all others run. */
  sicken(minor: string | undefined): Promise<void>;
  /** So many steps happen, or all that there are to make. */
  run(steps?: number): Promise<void>;
  pass(ms: number): Promise<void>;
  /** A text that was not given before. */
  moment(): string;
  /** Called when the instance has lost its status. */
  onRestore(): void;
  /** Called when a user has made an object that must stay. */
  onUse(object: KubeObject): void;
};

export async function applyInstance(stage: Stage, spec: JsonObject): Promise<void> {
  const annotations = { "fluxcd.controlplane.io/reconcileTimeout": "3m" };
  const object = {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace, annotations },
    spec,
  };
  await stage.ask("PATCH", `${instancePath}?force=true`, object, "application/apply-patch+yaml");
}
