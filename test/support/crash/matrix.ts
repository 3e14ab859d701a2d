import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { JsonValue } from "../../../src/kube/object.ts";
import { scenarios, type Scenario } from "./scenarios.ts";
import { startCrashWorld, type CrashWorld } from "./world.ts";

/** Part `index` of `of`, from CRASH_SHARD="<index>/<of>", counted from 1: every position whose number has that remainder. */
function shardOf(text: string): { readonly index: number; readonly of: number } {
  const [, index, of] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  if (index === undefined || of === undefined) throw new Error(`CRASH_SHARD is not "1/8" or the like: ${text}`);
  return { index: Number(index), of: Number(of) };
}

/** Kills the operator after each write of a scenario in turn, each time with a cluster of the same beginning, and holds it to the same end. */
export function describeCrashes(name: keyof typeof scenarios): void {
  const scenario: Scenario = scenarios[name];
  const { index, of } = shardOf(process.env["CRASH_SHARD"] ?? "1/8");
  let world: CrashWorld;
  before(async () => {
    world = await startCrashWorld();
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  describe(`${scenario.name}, killed`, { concurrency: 1 }, () => {
    let wanted: ReadonlyMap<string, string>;
    let positions: number;

    test("never, ends well", async (t) => {
      await begin(world, scenario);
      world.arm(Number.POSITIVE_INFINITY);
      await scenario.change(world);
      await world.until(scenario.isDone);
      wanted = await world.contents();
      scenario.holds?.(wanted);
      positions = world.writes.length;
      t.diagnostic(`${positions} writes`);
    });

    test("after a write, ends the same", async (t) => {
      let position = index;
      for (; ; position += of) {
        await begin(world, scenario);
        world.arm(position);
        await scenario.change(world);
        const died = await world.dead(scenario.isDone);
        const last = world.writes.at(-1);
        if (!died) break;
        world.revive();
        await world.until(scenario.isDone);
        assertSame(await world.contents(), wanted, `killed after write ${position}, ${last}`);
      }
      t.diagnostic(`positions ${index}, ${index + of}, ... of ${position - 1}`);
    });

    test("again and again, each process one write later than the one before, ends the same", async (t) => {
      await begin(world, scenario);
      await scenario.change(world);
      const lives = await world.live(scenario.isDone);
      await world.until(scenario.isDone);
      assertSame(await world.contents(), wanted, `killed ${lives} times`);
      t.diagnostic(`${lives} processes for ${positions} writes`);
      assert.ok(lives > 3, "there are more writes than that");
    });
  });
}

async function begin(world: CrashWorld, scenario: Scenario): Promise<void> {
  await world.begin();
  await scenario.before(world);
}

function assertSame(found: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>, when: string): void {
  const names = [...new Set([...found.keys(), ...wanted.keys()])];
  const differ = names.flatMap((name) => differences(parsed(found.get(name)), parsed(wanted.get(name)), name));
  assert.deepEqual(differ, [], when);
}

function parsed(text: string | undefined): JsonValue | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as JsonValue);
}

function at(value: object, key: string): JsonValue | undefined {
  return Object.entries(value).find(([name]) => name === key)?.[1] as JsonValue | undefined;
}

/** "<path> is <value>, not <value>" for each place in which two values differ. */
function differences(is: JsonValue | undefined, wanted: JsonValue | undefined, path: string): readonly string[] {
  if (isDeepStrictEqual(is, wanted)) return [];
  const [left, right] = [is, wanted].map((value) => (typeof value === "object" && value !== null ? value : undefined));
  if (left === undefined || right === undefined)
    return [`${path} is ${JSON.stringify(is)}, not ${JSON.stringify(wanted)}`];
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...keys].flatMap((key) => differences(at(left, key), at(right, key), `${path}.${key}`));
}
