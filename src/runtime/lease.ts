import type { GroupVersionKind } from "../kube/gvk.ts";
import type { JsonObject, KubeObject, ObjectKey } from "../kube/object.ts";
import { isJsonObject } from "../std/json.ts";

/** The kind of the object that a leader holds. */
export const leaseKind: GroupVersionKind = { group: "coordination.k8s.io", version: "v1", kind: "Lease" };

/** What a Lease says. `holder` is "" when nobody holds it. */
export type LeaseRecord = { readonly holder: string; readonly renewTime: string; readonly durationMs: number };

/** Who renews a Lease, for how long it is valid then, and the time as metav1.MicroTime. */
export type Renewal = { readonly identity: string; readonly durationMs: number; readonly now: string };

/** What `lease` says; `durationMs` holds where it does not say how long it is valid. */
export function readLease(lease: KubeObject, durationMs: number): LeaseRecord {
  const { holderIdentity, renewTime, leaseDurationSeconds: seconds } = specOf(lease);
  return {
    holder: typeof holderIdentity === "string" ? holderIdentity : "",
    renewTime: typeof renewTime === "string" ? renewTime : "",
    durationMs: typeof seconds === "number" ? seconds * 1000 : durationMs,
  };
}

/**
 * Whether somebody holds `lease` at `nowMs` (Unix time). Its time is by another machine's clock, so it counts for twice as long as it says; a
 * candidate must not decide by this, but observe the Lease.
 */
export function isHeld(lease: KubeObject, nowMs: number): boolean {
  const { holder, renewTime, durationMs } = readLease(lease, 0);
  return holder !== "" && Date.parse(renewTime) + 2 * durationMs > nowMs;
}

/** A Lease that nobody has held yet. */
export function newLease({ name, namespace }: ObjectKey, renewal: Renewal): KubeObject {
  const spec = { ...renewed(renewal), acquireTime: renewal.now, leaseTransitions: 0 };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name, namespace }, spec };
}

/** The Lease of its present holder, for another time. */
export function renewedLease(lease: KubeObject, renewal: Renewal): KubeObject {
  return { ...lease, spec: { ...specOf(lease), ...renewed(renewal) } };
}

/** The Lease in other hands. */
export function takenLease(lease: KubeObject, renewal: Renewal): KubeObject {
  const transitions = specOf(lease)["leaseTransitions"];
  const leaseTransitions = (typeof transitions === "number" ? transitions : 0) + 1;
  return { ...lease, spec: { ...renewed(renewal), acquireTime: renewal.now, leaseTransitions } };
}

/** The Lease that nobody holds any more, so that another process can take it at once. */
export function freeLease(lease: KubeObject, now: string): KubeObject {
  return { ...lease, spec: { ...specOf(lease), holderIdentity: "", leaseDurationSeconds: 1, renewTime: now } };
}

function renewed({ identity, durationMs, now }: Renewal): JsonObject {
  return { holderIdentity: identity, leaseDurationSeconds: Math.ceil(durationMs / 1000), renewTime: now };
}

function specOf(lease: KubeObject): JsonObject {
  return isJsonObject(lease["spec"]) ? lease["spec"] : {};
}
