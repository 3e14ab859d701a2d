import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { differencesOf } from "./contents.ts";
import { shardOf } from "../shard.ts";
import { scenarios, type Scenario } from "./scenarios.ts";
import { startCrashWorld, type CrashWorld } from "./world.ts";

/** What one scenario's run has seen; with CRASH_REPORT it is written there, as `<scenario>.json`, once all of it has ended well. */
export type CrashReport = {
  readonly scenario: string;
  /** What the operator writes when nobody kills it: "PATCH /apis/apps/v1/...", in their order. */
  readonly writes: readonly string[];
  /** The writes after which it was killed, and how long the next process took to the end, in seconds. */
  readonly kills: readonly { readonly position: number; readonly write: string; readonly seconds: number }[];
  /** Processes that it took where each was killed one write later than the one before. */
  readonly processes: number;
};

/** Kills the operator after each write of a scenario in turn, each time with a cluster of the same beginning, and holds it to the same end. */
export function describeCrashes(name: keyof typeof scenarios): void {
  const scenario: Scenario = scenarios[name];
  const { index, of } = shardOf("CRASH_SHARD", "1/8");
  let world: CrashWorld;
  let report: CrashReport | undefined;
  before(async () => {
    world = await startCrashWorld();
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    const folder = process.env["CRASH_REPORT"];
    if (folder !== undefined && report !== undefined)
      await writeFile(join(folder, `${name}.json`), JSON.stringify(report));
  });

  describe(`${scenario.name}, killed`, { concurrency: 1 }, () => {
    let wanted: ReadonlyMap<string, string>;
    let writes: readonly string[];
    let hasEndedWell = false;
    const kills: { position: number; write: string; seconds: number }[] = [];

    test("never, ends well", async (t) => {
      await begin(world, scenario);
      world.arm(Number.POSITIVE_INFINITY);
      await scenario.change(world);
      await world.until(scenario.isDone);
      writes = [...world.writes];
      await changeMind(world, scenario);
      wanted = await world.contents();
      scenario.holds?.(wanted);
      t.diagnostic(`${writes.length} writes`);
    });

    test("after a write, ends the same", async (t) => {
      let position = index;
      for (; ; position += of) {
        await begin(world, scenario);
        world.arm(position);
        await scenario.change(world);
        const died = await world.dead(scenario.isDone);
        const write = world.writes.at(-1) ?? "";
        if (!died) break;
        const since = performance.now();
        await scenario.instead?.change(world);
        world.revive();
        await world.until((scenario.instead ?? scenario).isDone);
        kills.push({ position, write, seconds: (performance.now() - since) / 1000 });
        assertSame(await world.contents(), wanted, `killed after write ${position}, ${write}`);
      }
      hasEndedWell = true;
      t.diagnostic(`positions ${index}, ${index + of}, ... of ${position - 1}`);
    });

    test("again and again, each process one write later than the one before, ends the same", async (t) => {
      await begin(world, scenario);
      await scenario.change(world);
      const lives = await world.live(scenario.isDone);
      await world.until(scenario.isDone);
      await changeMind(world, scenario);
      assertSame(await world.contents(), wanted, `killed ${lives} times`);
      t.diagnostic(`${lives} processes for ${writes.length} writes`);
      assert.ok(lives > 2, "there are more writes than that");
      if (hasEndedWell) report = { scenario: scenario.name, writes, kills, processes: lives };
    });
  });
}

async function begin(world: CrashWorld, scenario: Scenario): Promise<void> {
  await world.begin();
  await scenario.before(world);
  await world.keep();
}

async function changeMind(world: CrashWorld, { instead }: Scenario): Promise<void> {
  if (instead === undefined) return;
  await instead.change(world);
  await world.until(instead.isDone);
}

function assertSame(found: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>, when: string): void {
  assert.deepEqual(differencesOf(found, wanted), [], when);
}
