import type { KubeObject } from "../kube/object.ts";

/** Something that happened, for `kubectl describe` and `kubectl events`. */
export type EventNote = {
  readonly type: "Normal" | "Warning";
  /** The reasons of conditions. */
  readonly reason: string;
  readonly message: string;
  readonly annotations?: { readonly [key: string]: string };
};

export type EventRecorder = {
  /** Takes note and returns at once; what cannot be written is logged and never fails the caller. */
  record(regarding: Pick<KubeObject, "apiVersion" | "kind" | "metadata">, note: EventNote): void;
};
