/**
 * `npm run fault-matrix`: every fault at every stage, on two planes side by side, and the table of it in docs/faults.md. FAULTS="409,503"
 * plays some of them only, and leaves the tables of the others, as it is with what the whole machine feels. `-- --continue` leaves out what has ended well in an earlier run.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { inspect } from "node:util";
import { faults } from "./faults.ts";
import { outcomeOf, writePage } from "./page.ts";
import { cellsOf, startFaultWorld, turnsOf, type Cell, type Outcome } from "./play.ts";

const worlds = 2;
const names = process.env["FAULTS"]?.split(",");
const chosen = faults.filter(({ name, isOfMachine }) => names?.includes(name) ?? isOfMachine !== true);
// What lasts comes first: it says most. What waits for minutes comes last.
const rank = ({ fault, span }: Cell): number => (fault.isSlow === true ? 2 : span === "lasting" ? 0 : 1);
const cells = cellsOf(chosen).toSorted((left, right) => rank(left) - rank(right));
const file = "dist/fault-matrix.json";
const outcomes: Outcome[] = await earlier();
const queue = [...turnsOf(cells.filter((one) => outcomeOf(one, outcomes) === undefined))];
const all = queue.length;
let broken = 0;

/** A world that breaks, or ends with something that the law forbids, takes nothing from the others. */
async function work(): Promise<void> {
  while (queue.length > 0)
    try {
      await using world = await startFaultWorld();
      for (let turn = queue.shift(); turn !== undefined; turn = queue.shift()) await play(turn, world);
    } catch (error) {
      broken += 1;
      process.stdout.write(`${inspect(error, { showHidden: true, depth: 3 })}\n`);
    }
}

async function earlier(): Promise<Outcome[]> {
  if (!process.argv.includes("--continue")) return [];
  const text = await readFile(file, "utf8");
  return (JSON.parse(text) as Outcome[]).filter(({ problems }) => problems.length === 0);
}

async function play(turn: readonly Cell[], world: Awaited<ReturnType<typeof startFaultWorld>>): Promise<void> {
  const came = await world.turn(turn);
  outcomes.push(...came);
  const lines = came.flatMap(({ fault, span, during, problems }) =>
    problems.map((problem) => `${fault}, ${span}, ${during}: ${problem}\n`),
  );
  process.stdout.write(`${all - queue.length}/${all} turns begun\n${lines.join("")}`);
  await mkdir("dist", { recursive: true });
  await writeFile(file, JSON.stringify(outcomes, undefined, 1));
}

await Promise.all(Array.from({ length: Math.min(worlds, all) }, work));
await writePage(faults, chosen, outcomes);
const wrong = outcomes.filter(({ problems }) => problems.length > 0).length;
process.stdout.write(
  `${outcomes.length} of ${cells.length} cells played, ${wrong} with problems; ${broken} worlds broke\n`,
);
process.exitCode = wrong + broken > 0 || outcomes.length < cells.length ? 1 : 0;
