import { Cron } from "croner";
import { parseDurationMs } from "../std/duration.ts";
import { ReasonedError } from "../std/errors.ts";
import type { UpgradeSpec } from "./spec.ts";

/** Whether another release may replace the one that runs. */
export type UpgradeGate =
  | { readonly kind: "open" }
  /** `spec.upgrade.paused`, which comes before any window. */
  | { readonly kind: "paused" }
  /** Between windows; the next one opens at `opensMs`, later than now. */
  | { readonly kind: "outside"; readonly opensMs: number };

/** A window of the policy cannot be read, or never opens. */
export class UpgradePolicyError extends ReasonedError {}

/** What `upgrade` says at `nowMs`, milliseconds since 1970. Pure. Throws UpgradePolicyError as `checkUpgradePolicy`. */
export function upgradeGate(upgrade: UpgradeSpec, nowMs: number): UpgradeGate {
  const windows = upgrade.windows.map(readWindow);
  if (upgrade.paused) return { kind: "paused" };
  if (windows.length === 0 || windows.some((window) => isOpen(window, nowMs))) return { kind: "open" };
  const openings = windows.map(({ schedule }) => nextStartMs(schedule, nowMs)).filter((ms) => ms !== undefined);
  return { kind: "outside", opensMs: Math.min(...openings) };
}

/** Throws UpgradePolicyError naming the first field that cannot be used: what a pattern accepts may still make no sense. */
export function checkUpgradePolicy(upgrade: UpgradeSpec): void {
  for (const [index, window] of upgrade.windows.entries()) readWindow(window, index);
}

type Window = { readonly schedule: Cron; readonly durationMs: number };

/** Some start of the schedule is at most `durationMs` ago. Elapsed time counts, not what clocks on the wall show. */
function isOpen({ schedule, durationMs }: Window, nowMs: number): boolean {
  const startMs = nextStartMs(schedule, nowMs - durationMs);
  return startMs !== undefined && startMs <= nowMs;
}

/** The first start after `afterMs`. The library reads no clock when it is told a time. */
function nextStartMs(schedule: Cron, afterMs: number): number | undefined {
  return schedule.nextRun(new Date(afterMs))?.getTime();
}

function readWindow(window: UpgradeSpec["windows"][number], index: number): Window {
  const refuse = (field: keyof typeof window, why: string): UpgradePolicyError =>
    new UpgradePolicyError({
      reason: "BuildFailed",
      retry: "on-change",
      message: `Cannot build the instance: spec.upgrade.windows[${index}].${field} "${window[field]}" ${why}`,
    });
  if (!isTimeZone(window.timeZone)) throw refuse("timeZone", "is no time zone: write for example Europe/Berlin");
  const durationMs = parseDurationMs(window.duration) ?? 0;
  if (durationMs < 1) throw refuse("duration", "must be more than 0: write for example 2h");
  const schedule = readSchedule(window);
  if (schedule instanceof Error) throw refuse("schedule", `is no cron schedule: ${withoutPrefix(schedule.message)}`);
  if (nextStartMs(schedule, 0) === undefined) throw refuse("schedule", "never comes: there is no such day");
  return { schedule, durationMs: Math.round(durationMs) };
}

/**
 * As CronJobs read it ("5/15" is 5-59/15, day of month or day of week), with corrections for days on which clocks change: a time that is
 * skipped starts when the clock has jumped, one that comes twice starts at the first; with `*` or a step, at each time that exists.
 */
function readSchedule({ schedule, timeZone }: UpgradeSpec["windows"][number]): Cron | Error {
  try {
    return new Cron(schedule, { timezone: timeZone, mode: "5-part", sloppyRanges: true, fixedTimeRule: "no-wildcard" });
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function withoutPrefix(message: string): string {
  return message.replace(/^Cron\w+: /, "");
}
