import assert from "node:assert/strict";
import { test } from "node:test";
import { checkUpgradePolicy, upgradeGate } from "./upgrade-policy.ts";
import type { UpgradeSpec } from "./spec.ts";

type Window = UpgradeSpec["windows"][number];
type Spell = readonly [fromIso: string, untilIso: string];

const nightly: Window = { schedule: "30 2 * * *", duration: "1h", timeZone: "UTC" };

function policy(windows: readonly Window[], paused = false): UpgradeSpec {
  return { paused, rollback: true, windows };
}

/** "open", "paused", or when the next window opens. */
function gateAt(upgrade: UpgradeSpec, nowIso: string): string {
  const gate = upgradeGate(upgrade, Date.parse(nowIso));
  return gate.kind === "outside" ? iso(gate.opensMs) : gate.kind;
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace(/:00\.000Z$/, "Z");
}

/** The spells of a day in which the gate stands open, to five minutes; just before each it is closed. */
function openSpells(window: Window, fromIso: string, hours = 24): readonly Spell[] {
  const spells: Spell[] = [];
  const endMs = Date.parse(fromIso) + hours * 3_600_000;
  const gate = (ms: number) => upgradeGate(policy([window]), ms);
  for (let next = gate(Date.parse(fromIso)); next.kind === "outside" && next.opensMs < endMs;) {
    const { opensMs } = next;
    assert.equal(gate(opensMs - 1).kind, "outside");
    let untilMs = opensMs;
    while (gate(untilMs).kind === "open") untilMs += 300_000;
    spells.push([iso(opensMs), iso(untilMs)]);
    next = gate(untilMs);
  }
  return spells;
}

for (const { name, upgrade, at, want } of [
  { name: "is open without a policy", upgrade: policy([]), at: "2026-05-01T12:00:00Z", want: "open" },
  { name: "is paused", upgrade: policy([], true), at: "2026-05-01T12:00:00Z", want: "paused" },
  { name: "is paused inside a window", upgrade: policy([nightly], true), at: "2026-05-01T02:45:00Z", want: "paused" },
  {
    name: "is closed a millisecond before the window",
    upgrade: policy([nightly]),
    at: "2026-05-01T02:29:59.999Z",
    want: "2026-05-01T02:30Z",
  },
  { name: "is open when the window starts", upgrade: policy([nightly]), at: "2026-05-01T02:30:00Z", want: "open" },
  { name: "is open until its last moment", upgrade: policy([nightly]), at: "2026-05-01T03:29:59.999Z", want: "open" },
  {
    name: "is closed when the duration is over",
    upgrade: policy([nightly]),
    at: "2026-05-01T03:30:00Z",
    want: "2026-05-02T02:30Z",
  },
  {
    name: "is open in either of two windows",
    upgrade: policy([{ ...nightly, schedule: "0 9 * * *" }, nightly]),
    at: "2026-05-01T02:31:00Z",
    want: "open",
  },
  {
    name: "tells the sooner of two openings",
    upgrade: policy([{ ...nightly, schedule: "0 9 * * *" }, nightly]),
    at: "2026-05-01T08:00:00Z",
    want: "2026-05-01T09:00Z",
  },
  {
    name: "stays open in windows that overlap themselves",
    upgrade: policy([{ ...nightly, schedule: "0 0 * * *", duration: "36h" }]),
    at: "2026-05-01T23:59:59Z",
    want: "open",
  },
  {
    name: "takes the day of the month or the day of the week, as cron does",
    upgrade: policy([{ ...nightly, schedule: "0 0 13 * fri" }]),
    at: "2026-05-08T12:00:00Z",
    want: "2026-05-13T00:00Z",
  },
  {
    name: "takes Sunday as 0 and as 7",
    upgrade: policy([{ ...nightly, schedule: "0 0 * * 6-7" }]),
    at: "2026-05-02T12:00:00Z",
    want: "2026-05-03T00:00Z",
  },
  {
    name: "takes a step from a number on",
    upgrade: policy([{ ...nightly, schedule: "5/20 * * * *", duration: "5m" }]),
    at: "2026-05-01T00:00:00Z",
    want: "2026-05-01T00:05Z",
  },
  {
    name: "finds a day that comes every fourth year",
    upgrade: policy([{ ...nightly, schedule: "0 0 29 2 *" }]),
    at: "2026-05-01T00:00:00Z",
    want: "2028-02-29T00:00Z",
  },
  {
    name: "knows the offset of its time zone",
    upgrade: policy([{ ...nightly, timeZone: "Asia/Kathmandu" }]),
    at: "2026-05-01T12:00:00Z",
    want: "2026-05-01T20:45Z",
  },
]) {
  test(`upgradeGate() ${name}`, () => assert.equal(gateAt(upgrade, at), want));
}

const zurich = "Europe/Zurich";
const newYork = "America/New_York";
const lordHowe = "Australia/Lord_Howe";

for (const { name, window, from, want } of [
  {
    name: "in Zurich on a day like any other",
    window: { schedule: "30 2 * * *", duration: "1h", timeZone: zurich },
    from: "2026-03-27T12:00:00Z",
    want: [["2026-03-28T01:30Z", "2026-03-28T02:30Z"]],
  },
  {
    name: "in Zurich when there is no 02:30: from the jump on",
    window: { schedule: "30 2 * * *", duration: "1h", timeZone: zurich },
    from: "2026-03-28T12:00:00Z",
    want: [["2026-03-29T01:00Z", "2026-03-29T02:00Z"]],
  },
  {
    name: "in Zurich when 02:30 comes twice: at the first",
    window: { schedule: "30 2 * * *", duration: "30m", timeZone: zurich },
    from: "2026-10-24T12:00:00Z",
    want: [["2026-10-25T00:30Z", "2026-10-25T01:00Z"]],
  },
  {
    name: "in Zurich over the jump: two hours that pass, three on the wall",
    window: { schedule: "0 1 * * *", duration: "2h", timeZone: zurich },
    from: "2026-03-28T12:00:00Z",
    want: [["2026-03-29T00:00Z", "2026-03-29T02:00Z"]],
  },
  {
    name: "in Zurich over the repeated hour: two hours that pass, one on the wall",
    window: { schedule: "0 2 * * *", duration: "2h", timeZone: zurich },
    from: "2026-10-24T12:00:00Z",
    want: [["2026-10-25T00:00Z", "2026-10-25T02:00Z"]],
  },
  {
    name: "in Zurich at listed hours, of which one is left out",
    window: { schedule: "30 2,5 * * *", duration: "15m", timeZone: zurich },
    from: "2026-03-28T12:00:00Z",
    want: [
      ["2026-03-29T01:00Z", "2026-03-29T01:15Z"],
      ["2026-03-29T03:30Z", "2026-03-29T03:45Z"],
    ],
  },
  {
    name: "in Zurich every half hour of an hour that comes twice: each time that there is",
    window: { schedule: "*/30 2 * * *", duration: "10m", timeZone: zurich },
    from: "2026-10-24T12:00:00Z",
    want: [
      ["2026-10-25T00:00Z", "2026-10-25T00:10Z"],
      ["2026-10-25T00:30Z", "2026-10-25T00:40Z"],
      ["2026-10-25T01:00Z", "2026-10-25T01:10Z"],
      ["2026-10-25T01:30Z", "2026-10-25T01:40Z"],
    ],
  },
  {
    name: "in New York when there is no 02:30",
    window: { schedule: "30 2 * * *", duration: "1h", timeZone: newYork },
    from: "2026-03-07T12:00:00Z",
    want: [["2026-03-08T07:00Z", "2026-03-08T08:00Z"]],
  },
  {
    name: "in New York when 01:30 comes twice",
    window: { schedule: "30 1 * * *", duration: "1h", timeZone: newYork },
    from: "2026-10-31T12:00:00Z",
    want: [["2026-11-01T05:30Z", "2026-11-01T06:30Z"]],
  },
  {
    name: "in UTC on the days on which others change their clocks",
    window: { schedule: "30 2 * * *", duration: "1h", timeZone: "UTC" },
    from: "2026-03-28T12:00:00Z",
    want: [["2026-03-29T02:30Z", "2026-03-29T03:30Z"]],
  },
  {
    name: "on Lord Howe Island, where half an hour is left out, at 02:15",
    window: { schedule: "15 2 * * *", duration: "1h", timeZone: lordHowe },
    from: "2026-10-03T12:00:00Z",
    want: [["2026-10-03T15:30Z", "2026-10-03T16:30Z"]],
  },
  {
    name: "on Lord Howe Island, where half an hour comes twice, at 01:45",
    window: { schedule: "45 1 * * *", duration: "1h", timeZone: lordHowe },
    from: "2026-04-04T12:00:00Z",
    want: [["2026-04-04T14:45Z", "2026-04-04T15:45Z"]],
  },
  {
    name: "on Lord Howe Island the day after the change",
    window: { schedule: "45 1 * * *", duration: "1h", timeZone: lordHowe },
    from: "2026-04-05T12:00:00Z",
    want: [["2026-04-05T15:15Z", "2026-04-05T16:15Z"]],
  },
]) {
  test(`upgradeGate() is open ${name}`, () => assert.deepEqual(openSpells(window, from), want));
}

for (const { name, upgrade, want } of [
  {
    name: "a minute that there is not",
    upgrade: policy([{ ...nightly, schedule: "60 2 * * *" }]),
    want: `spec.upgrade.windows[0].schedule "60 2 * * *" is no cron schedule: Invalid value for minute: 60`,
  },
  {
    name: "a range that runs backwards, in the second window",
    upgrade: policy([nightly, { ...nightly, schedule: "0 22-2 * * *" }]),
    want: `spec.upgrade.windows[1].schedule "0 22-2 * * *" is no cron schedule: From value is larger than to value: '22-2'`,
  },
  {
    name: "a day that never comes",
    upgrade: policy([{ ...nightly, schedule: "0 0 31 2 *" }]),
    want: `spec.upgrade.windows[0].schedule "0 0 31 2 *" never comes: there is no such day`,
  },
  {
    name: "a time zone that there is not, although upgrades are paused",
    upgrade: policy([{ ...nightly, timeZone: "Mars/Olympus" }], true),
    want: `spec.upgrade.windows[0].timeZone "Mars/Olympus" is no time zone: write for example Europe/Berlin`,
  },
  {
    name: "no duration at all",
    upgrade: policy([{ ...nightly, duration: "0s" }]),
    want: `spec.upgrade.windows[0].duration "0s" must be more than 0: write for example 2h`,
  },
  {
    name: "a duration that cannot be read",
    upgrade: policy([{ ...nightly, duration: "1d" }]),
    want: `spec.upgrade.windows[0].duration "1d" must be more than 0: write for example 2h`,
  },
]) {
  test(`checkUpgradePolicy() refuses ${name}`, () => {
    const refused = { name: "UpgradePolicyError", reason: "BuildFailed", retry: "on-change" };
    const message = `Cannot build the instance: ${want}`;
    assert.throws(() => checkUpgradePolicy(upgrade), { ...refused, message });
    assert.throws(() => upgradeGate(upgrade, 0), { ...refused, message });
  });
}
