import { styleText } from "node:util";
import { upgradeGate } from "../../../api/upgrade-policy.ts";
import { nameObject } from "../../../kube/object-id.ts";
import { formatTime, systemClock } from "../../../std/clock.ts";
import { UnreachableError } from "../../../std/errors.ts";
import { openCatalogue, type CatalogueOptions } from "../../catalogue.ts";
import { connectToCluster, type ClusterOptions } from "../../cluster.ts";
import { diffCluster, type ClusterDiff, type Difference } from "../../cluster-diff.ts";
import { InputError, readInstances, type ReadOptions } from "../../input.ts";
import { diffObjects, newObjectLines } from "../../object-diff.ts";
import { plural, printReport, printWarnings } from "../../print.ts";
import { buildTargets, type InstanceTarget } from "../../targets.ts";
import { exitCodes, type Terminal } from "../../terminal.ts";

/** The flags of `diff instance`. */
export type DiffOptions = ReadOptions & CatalogueOptions & ClusterOptions;

/**
 * Prints what applying the FluxInstance in the files would change on the cluster; nothing on stdout when nothing would change. Resolves to the
 * exit code. Throws InputError for more than one FluxInstance, and as `diffCluster`.
 */
export async function diffInstance(options: DiffOptions, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const target = await readTarget(options, terminal, signal);
  printWarnings(
    target.source,
    [...target.warnings, ...suspension(target), ...delay(target, systemClock.nowMs())],
    terminal,
  );
  printReport(target.source, target.rendering, terminal);
  const client = await connectToCluster(options, terminal);
  try {
    const diff = await diffCluster(target.rendering, target.key, client, signal);
    printDiff(diff, terminal);
    return diff.differences.length === 0 ? exitCodes.done : exitCodes.differs;
  } finally {
    await client.close();
  }
}

async function readTarget(options: DiffOptions, terminal: Terminal, signal: AbortSignal): Promise<InstanceTarget> {
  const instances = await readInstances(options, terminal, signal);
  const sources = { catalogue: await openCatalogue(options, terminal, signal), asksMirrors: true };
  const [target, ...others] = await buildTargets(instances, sources, terminal, signal);
  if (target !== undefined && others.length === 0) return target;
  const places = [target, ...others].map((each) => each?.source).join(", ");
  throw new InputError(`Cannot compare ${places} with one cluster: a cluster has one FluxInstance; pass one`);
}

function suspension({ suspended }: InstanceTarget): readonly string[] {
  if (!suspended) return [];
  return ["reconciliation is disabled by annotation: the operator changes nothing until it is enabled"];
}

/** The difference is shown as if it were applied now. */
function delay({ spec }: InstanceTarget, nowMs: number): readonly string[] {
  const gate = upgradeGate(spec.upgrade, nowMs);
  switch (gate.kind) {
    case "open":
      return [];
    case "paused":
      return ["spec.upgrade.paused is true: if another release of Flux runs, the operator stays with it"];
    case "outside":
      return [
        `outside spec.upgrade.windows: if another release of Flux runs, the operator stays with it until ${formatTime(gate.opensMs)}`,
      ];
    default:
      throw new UnreachableError(gate);
  }
}

function printDiff({ differences, unchanged }: ClusterDiff, { stdout, stderr, color }: Terminal): void {
  const lines = differences.flatMap(linesOf).map((line) => (color ? colored(line) : line));
  if (lines.length > 0) stdout.write(`${lines.join("\n")}\n`);
  const count = (kind: Difference["kind"]) => differences.filter((difference) => difference.kind === kind).length;
  stderr.write(
    `${plural(unchanged + differences.length, "object")}: ${count("created")} created, ${count("changed")} changed, ${count("pruned")} pruned, ${unchanged} unchanged\n`,
  );
}

/** Only CRDs are longer than this; `build instance` prints them. */
const longestNewObject = 200;

function linesOf(difference: Difference): readonly string[] {
  const heading = `# ${nameObject(difference.object)} ${difference.kind}`;
  switch (difference.kind) {
    case "created": {
      const lines = newObjectLines(difference.object);
      if (lines.length > longestNewObject) return [`${heading} (${lines.length} lines)`];
      return [heading, ...lines];
    }
    case "pruned":
      return [heading];
    case "changed": {
      const { note, before, after } = difference;
      const hunks = diffObjects(before, after);
      const files = hunks.length === 0 ? [] : ["--- live", "+++ applied"];
      return [note === undefined ? heading : `${heading} (${note})`, ...files, ...hunks];
    }
    default:
      throw new UnreachableError(difference);
  }
}

const colors = { "#": "bold", "@": "cyan", "+": "green", "-": "red" } as const;

function colored(line: string): string {
  const [mark, style] = Object.entries(colors).find(([start]) => line.startsWith(start)) ?? [];
  return mark === undefined || style === undefined ? line : styleText(style, line, { validateStream: false });
}
