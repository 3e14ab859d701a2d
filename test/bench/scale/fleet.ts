import { fluxInstance } from "../../../src/api/names.ts";
import { ReleaseSource } from "../../../src/controllers/flux-instance/releases/release-source.ts";
import { worldOf, type World } from "../../../src/controllers/flux-instance/world.ts";
import type { Dispatchers } from "../../../src/oci/dispatchers.ts";
import { Exchange } from "../../../src/oci/exchange.ts";
import type { Registry } from "../../../src/oci/registry.ts";
import { runController } from "../../../src/runtime/controller.ts";
import { WorkQueue } from "../../../src/runtime/work-queue.ts";
import type { Random } from "../../../src/std/backoff.ts";
import { artifactFiles } from "../../support/artifact-of.ts";
import { base as release } from "../../support/next-minor.ts";
import { randomOf } from "../../support/random.ts";
import { tarGzOf } from "../../support/tarball.ts";
import { TestClock } from "../../support/test-clock.ts";
import { createTestLog } from "../../support/test-log.ts";
import { instanceKey } from "../instance.ts";

/** Requests a second: on average, and in the second that had the most. */
export type Rate = { readonly mean: number; readonly worst: number };

/** What a registry gets from a fleet before, while and after it is away. */
export type FleetRow = {
  /** "registry that ..." */
  readonly what: string;
  readonly operators: number;
  readonly before: Rate;
  readonly away: Rate;
  readonly after: Rate;
  /** From its return until each operator has had an answer. */
  readonly allAfterMs: number;
};

/** `answer` is what the registry says while it is away; undefined: nobody listens. */
type Scenario = {
  readonly what: string;
  readonly answer:
    | ((nowMs: number, backMs: number) => { readonly status: number; readonly retryAfter?: string })
    | undefined;
  /** Over how long the operators of the fleet have started, some time before it is away. */
  readonly startedWithinMs: number;
};

const everyMs = 600_000;
const hourMs = 3_600_000;
/** As `--interval-jitter-percentage` and the delays of retries are by default. */
const [jitter, backoff] = [0.05, { baseMs: 750, maxMs: 15 * 60_000 }];

const untilOneMoment: Scenario = {
  what: "answers 429 for an hour, with the end of that hour in Retry-After",
  answer: (_, backMs) => ({ status: 429, retryAfter: new Date(backMs).toUTCString() }),
  startedWithinMs: everyMs,
};

const scenarios: readonly Scenario[] = [
  { what: "nobody can reach for an hour", answer: undefined, startedWithinMs: everyMs },
  { what: "answers 503 for an hour", answer: () => ({ status: 503 }), startedWithinMs: everyMs },
  {
    what: "answers 429 for an hour, with 5 minutes in Retry-After",
    answer: () => ({ status: 429, retryAfter: "300" }),
    startedWithinMs: everyMs,
  },
  untilOneMoment,
  {
    what: "nobody can reach for an hour, and all operators have started in one second",
    answer: undefined,
    startedWithinMs: 1_000,
  },
];

export type FleetOptions = { readonly operators: number; readonly seed: number };

/** One row for each way in which a registry is away. The same for the same seed. */
export async function simulateFleets(
  options: FleetOptions = { operators: 1_000, seed: 1 },
): Promise<readonly FleetRow[]> {
  const rows: FleetRow[] = [];
  for (const scenario of scenarios) rows.push(await simulate(scenario, options));
  return rows;
}

/** A registry that names the same moment to all. */
export async function simulateOneMoment(options: FleetOptions): Promise<FleetRow> {
  return await simulate(untilOneMoment, options);
}

/** Runs the operator's own polls, queues and retries, each operator with its own chance, on a clock of the test. Only the socket is not real. */
async function simulate(scenario: Scenario, { operators, seed }: FleetOptions): Promise<FleetRow> {
  const startMs = Date.parse("2026-01-05T08:00:00Z");
  const awayMs = startMs + everyMs + hourMs;
  const backMs = awayMs + hourMs;
  const endMs = backMs + hourMs;
  const clock = new TestClock(startMs);
  const requests: number[] = [];
  const answeredMs = new Map<number, number>();
  const digest = `sha256:${"1".repeat(64)}`;
  const answer = (operator: number): { statusCode: number; headers: Record<string, string>; body: unknown } => {
    const nowMs = clock.nowMs();
    requests.push(nowMs);
    if (nowMs < awayMs || nowMs >= backMs) {
      if (nowMs >= backMs && !answeredMs.has(operator)) answeredMs.set(operator, nowMs);
      return { statusCode: 200, headers: { "docker-content-digest": digest }, body: empty() };
    }
    const said = scenario.answer?.(nowMs, backMs);
    if (said === undefined) throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    const headers = said.retryAfter === undefined ? {} : { "retry-after": said.retryAfter };
    return { statusCode: said.status, headers, body: empty() };
  };
  const tarball = await tarGzOf(Object.fromEntries(artifactFiles(release)));
  const over = new AbortController();
  const random = randomOf(seed);
  const starts = Array.from({ length: operators }, () => scenario.startedWithinMs * random()).toSorted(
    (left, right) => left - right,
  );
  const running: Promise<void>[] = [];
  for (const [index, afterMs] of starts.entries()) {
    await clock.advance(startMs + afterMs - clock.nowMs());
    const own = randomOf(seed * 100_000 + index);
    const registry = registryOf({ clock, random: own, answer: () => answer(index), tarball, digest });
    running.push((await startOperator({ clock, random: own, registry }, over.signal)).ended);
  }
  await clock.advance(endMs - clock.nowMs());
  over.abort(new Error("the simulation is over"));
  await Promise.all(running);
  const last = Math.max(...answeredMs.values());
  return {
    what: scenario.what,
    operators,
    before: rateOf(requests, awayMs - hourMs, awayMs),
    away: rateOf(requests, awayMs, backMs),
    after: rateOf(requests, backMs, backMs + everyMs),
    allAfterMs: answeredMs.size < operators ? Number.POSITIVE_INFINITY : last - backMs,
  };
}

function empty(): AsyncIterable<Uint8Array> & { dump(): Promise<void> } {
  return { dump: async () => undefined, async *[Symbol.asyncIterator]() {} };
}

type Wire = {
  readonly clock: TestClock;
  readonly random: Random;
  readonly answer: () => unknown;
  readonly tarball: Uint8Array;
  readonly digest: string;
};

/** One HEAD for a digest, as of most registries, with the retries of all requests. The artifact is pulled once, at the start, and not counted. */
function registryOf({ clock, random, answer, tarball, digest }: Wire): Pick<Registry, "resolve" | "fetch"> {
  const dispatchers = { for: async () => ({ request: async () => answer() }) } as unknown as Dispatchers;
  const exchange = new Exchange({ dispatchers, clock, random, userAgent: "fleet" });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  return {
    resolve: async (reference, { timeoutMs = 60_000 }, signal) => {
      const url = new URL("https://registry.example.com/v2/manifests/manifests/latest");
      const request = {
        method: "HEAD",
        url,
        headers: {},
        action: `resolve ${reference}`,
        maxBytes: 1,
        tls: {},
      } as const;
      const found = await exchange.send(request, { signal, deadlineMs: clock.monotonicMs() + timeoutMs });
      return { digest: found.header("docker-content-digest") ?? "", mediaType };
    },
    fetch: async () => ({ digest, mediaType, tarball, layer: { digest, sizeBytes: tarball.length } }),
  };
}

type Operator = {
  readonly clock: TestClock;
  readonly random: Random;
  readonly registry: Pick<Registry, "resolve" | "fetch">;
};

/** What of an operator polls, as operator/wire.ts puts it together. Resolves when it has looked once; `ended` does after the signal. */
async function startOperator(
  { clock, random, registry }: Operator,
  signal: AbortSignal,
): Promise<{ readonly ended: Promise<void> }> {
  const { log } = createTestLog();
  const polls = new WorkQueue({ clock, backoff, pace: { burst: 300, everyMs: 1_000 } });
  const source = new ReleaseSource({
    registry,
    signatures: { check: async () => undefined, isGood: () => true },
    embedded: { versions: [release.version], load: () => release },
    client: { getOrUndefined: () => Promise.resolve(undefined) },
    polls,
    random,
    jitter,
    onChange: () => undefined,
  });
  await source.find(world, signal);
  const poller = {
    name: "polls",
    queue: polls,
    workers: 1,
    log,
    clock,
    random,
    createId: () => "1",
    recheckJitter: jitter,
  };
  return {
    ended: runController({ ...poller, reconcile: (key, log, signal) => source.poll(key, log, signal) }, signal),
  };
}

const world: World = worldOf(
  {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: {
      ...instanceKey,
      generation: 1,
      annotations: { "fluxcd.controlplane.io/reconcileArtifactEvery": `${everyMs / 60_000}m` },
    },
    spec: {
      distribution: {
        version: "2.x",
        registry: "ghcr.io/fluxcd",
        artifact: "oci://registry.example.com/manifests:latest",
      },
      components: ["source-controller"],
    },
  },
  new Map(),
  instanceKey.namespace,
);

function rateOf(requests: readonly number[], fromMs: number, toMs: number): Rate {
  const within = requests.filter((atMs) => atMs >= fromMs && atMs < toMs);
  const seconds = Map.groupBy(within, (atMs) => Math.floor(atMs / 1000));
  const worst = Math.max(0, ...[...seconds.values()].map(({ length }) => length));
  return { mean: within.length / ((toMs - fromMs) / 1000), worst };
}
