import { formatDuration, parseDurationMs } from "../std/duration.ts";
import { instanceAnnotations } from "./names.ts";

/** A value that is not used. `message` says what is wrong and what to write; it becomes part of a condition. */
export type AnnotationWarning = { readonly annotation: string; readonly value: string; readonly message: string };

/**
 * What the annotations of a FluxInstance ask for (`fluxcd.controlplane.io/*`, `reconcile.fluxcd.io/*`). `forceAt` forces a reconcile only
 * together with an equal `requestedAt`.
 */
export type ReconcileSettings = {
  readonly reconcile: "enabled" | "disabled";
  /** Undefined: no periodic reconcile. */
  readonly reconcileEveryMs?: number;
  /** Undefined: the artifact is not polled. */
  readonly reconcileArtifactEveryMs?: number;
  readonly reconcileTimeoutMs: number;
  readonly requestedAt?: string;
  readonly forceAt?: string;
  readonly warnings: readonly AnnotationWarning[];
};

/** The default of the annotation reconcileEvery: 1 hour. */
export const defaultReconcileEveryMs = 60 * 60_000;
/** The default of the annotation reconcileArtifactEvery: 10 minutes. */
export const defaultReconcileArtifactEveryMs = 10 * 60_000;
/** The default of the annotation reconcileTimeout: 5 minutes. */
export const defaultReconcileTimeoutMs = 5 * 60_000;

/** What comes back sooner than this is a loop without rest. */
const shortestPeriodMs = 1_000;
/** setTimeout cannot wait longer than 2^31 - 1 ms; a longer period is cut to this, about 24 days. */
const longestMs = 2 ** 31 - 1;

type Annotations = { readonly [key: string]: string } | undefined;
type Read<Value> = { readonly value: Value; readonly warnings: readonly AnnotationWarning[] };

/**
 * Reads the annotations of a FluxInstance. A value that cannot be read is replaced by the default and reported in `warnings`, never silently
 * ignored.
 */
export function readAnnotations(annotations: Annotations): ReconcileSettings {
  const reconcile = readSwitch(annotations, instanceAnnotations.reconcile);
  const every = readPeriod(annotations, instanceAnnotations.reconcileEvery, defaultReconcileEveryMs);
  const artifactEvery = readPeriod(
    annotations,
    instanceAnnotations.reconcileArtifactEvery,
    defaultReconcileArtifactEveryMs,
  );
  const timeout = readTimeout(annotations, instanceAnnotations.reconcileTimeout);
  const requestedAt = textOrUndefined(annotations, instanceAnnotations.requestedAt);
  const forceAt = textOrUndefined(annotations, instanceAnnotations.forceAt);
  return {
    reconcile: reconcile.value,
    ...(every.value !== undefined && { reconcileEveryMs: every.value }),
    ...(artifactEvery.value !== undefined && { reconcileArtifactEveryMs: artifactEvery.value }),
    reconcileTimeoutMs: timeout.value,
    ...(requestedAt !== undefined && { requestedAt }),
    ...(forceAt !== undefined && { forceAt }),
    warnings: [reconcile, every, artifactEvery, timeout].flatMap((read) => read.warnings),
  };
}

function readSwitch(annotations: Annotations, annotation: string): Read<"enabled" | "disabled"> {
  const value = annotations?.[annotation];
  const word = value?.trim().toLowerCase();
  if (value === undefined || word === "" || word === "enabled") return { value: "enabled", warnings: [] };
  if (word === "disabled") return { value: "disabled", warnings: [] };
  const message = `annotation ${annotation} is ${quote(value)}, which is neither enabled nor disabled: it counts as enabled; write enabled or disabled`;
  return { value: "enabled", warnings: [{ annotation, value, message }] };
}

/** Zero and less turn the period off. */
function readPeriod(annotations: Annotations, annotation: string, defaultMs: number): Read<number | undefined> {
  const { value: ms, warnings } = readDuration(annotations, annotation, defaultMs);
  if (ms <= 0) return { value: undefined, warnings };
  if (ms >= shortestPeriodMs) return { value: ms, warnings };
  const value = annotations?.[annotation] ?? "";
  const shortest = formatDuration(shortestPeriodMs);
  const message = `annotation ${annotation} is ${quote(value)}, which is too short: ${shortest} is used; write ${shortest} or more, or 0 for never`;
  return { value: shortestPeriodMs, warnings: [{ annotation, value, message }] };
}

function readTimeout(annotations: Annotations, annotation: string): Read<number> {
  const read = readDuration(annotations, annotation, defaultReconcileTimeoutMs);
  if (read.value > 0) return read;
  const value = annotations?.[annotation] ?? "";
  const message = `annotation ${annotation} is ${quote(value)}, which leaves no time to become healthy: ${formatDuration(defaultReconcileTimeoutMs)} is used; write a duration above 0 such as 10m`;
  return { value: defaultReconcileTimeoutMs, warnings: [{ annotation, value, message }] };
}

function readDuration(annotations: Annotations, annotation: string, defaultMs: number): Read<number> {
  const value = annotations?.[annotation];
  if (value === undefined || value.trim() === "") return { value: defaultMs, warnings: [] };
  const ms = parseDurationMs(value.trim().toLowerCase());
  if (ms !== undefined) return { value: Math.min(ms, longestMs), warnings: [] };
  const message = `annotation ${annotation} is ${quote(value)}, which is no duration: the default ${formatDuration(defaultMs)} is used; write for example 10m or 1h30m`;
  return { value: defaultMs, warnings: [{ annotation, value, message }] };
}

function textOrUndefined(annotations: Annotations, annotation: string): string | undefined {
  const value = annotations?.[annotation];
  return value === "" ? undefined : value;
}

/** Annotation values may be very long; a condition message may not. */
function quote(value: string): string {
  return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}...` : value);
}
