import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { faults } from "../support/faults/faults.ts";
import { cellsOf, startFaultWorld, turnsOf, type FaultWorld } from "../support/faults/play.ts";
import { shardOf } from "../support/shard.ts";

/** What waits for minutes, or befalls the whole machine, is left to `npm run fault-matrix`. */
const all = turnsOf(cellsOf(faults.filter(({ isSlow, isOfMachine }) => isSlow !== true && isOfMachine !== true)));
const { index, of } = shardOf("FAULT_SHARD", "4/36");
const turns = all.filter((_, at) => (at + 1) % of === index % of);

let world: FaultWorld;
before(async () => {
  world = await startFaultWorld();
});
after(async () => {
  await world[Symbol.asyncDispose]();
});

for (const turn of turns) {
  const names = turn.map(({ fault, span, during }) => `${during}: ${fault.name}, ${span}`).join("; ");
  test(`all ends as it does without a fault, with this in the ${names}`, async () => {
    const outcomes = await world.turn(turn);
    const wrong = outcomes.filter(({ problems }) => problems.length > 0);
    assert.deepEqual([wrong, outcomes.length], [[], turn.length]);
  });
}
