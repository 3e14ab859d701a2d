import type { AuditEvent } from "../../../scripts/control-plane/audit.ts";
import { fieldsOf, textOf } from "../../../src/kube/fields.ts";
import type { KubeObject } from "../../../src/kube/object.ts";
import { systemClock } from "../../../src/std/clock.ts";
import { differencesOf } from "../crash/contents.ts";
import { instance, isGone, newest, oldest, runs, stored, sync } from "../crash/scenarios.ts";
import { startCrashWorld, type CrashWorld, type Instance } from "../crash/world.ts";
import { condition, statusOf } from "../flux-cluster.ts";
import { freePort } from "../flux-process.ts";
import { operatorUser } from "../installation.ts";
import { clockAhead } from "../process-clock.ts";
import type { SeenRequest } from "../wire-proxy.ts";
import type { Fault } from "./faults.ts";
import { connectWithFile } from "./plane-faults.ts";
import { endStarted } from "./programs.ts";
import { stages, type Change, type Stage } from "./stages.ts";

/** How long a fault lasts: `once` hits one request of each stage, `lasting` all that is asked for in a stage within three seconds. */
export type Span = "once" | "lasting";

/** A fault in a change: it befalls its stages one after another, in their order. */
export type Cell = {
  readonly fault: Fault;
  readonly span: Span;
  readonly during: Change;
  readonly stages: readonly Stage[];
};

/** What came of a fault in one stage. */
export type Befallen = {
  readonly stage: string;
  /** How many requests were hit. */
  readonly hits: number;
  /** How often the same request was sent within one second, at the most. */
  readonly mostInOneSecond: number;
  /** What the instance, or else the log, said when a lasting fault was lifted: "Ready False/ReconciliationFailed: ..." */
  readonly told?: string;
};

/** What came of a cell. */
export type Outcome = {
  readonly fault: string;
  readonly span: Span;
  readonly during: Change;
  readonly stages: readonly Befallen[];
  /** How often the upgrade was rolled back, and had to be asked for again. */
  readonly rollbacks: number;
  /** What the law forbids and was seen. */
  readonly problems: readonly string[];
};

const lastingMs = 3_000;
/** Longer than a reconcile takes on a busy machine. */
const toldWithinMs = 30_000;
/** Half a minute for each stage where requests have no answer. */
const patienceMs = 600_000;
const never = new AbortController().signal;
/** A reconcile is tried again after 750 ms at the earliest, and a request of it five times within 750 ms. */
const sameInOneSecond = 8;
const components = ["source-controller", "kustomize-controller"];

const changes: {
  readonly [change in Change]: {
    readonly begin: (world: CrashWorld) => Promise<void>;
    readonly isDone: (now: Instance) => boolean;
  };
} = {
  install: {
    begin: (world) => world.apply(instance(oldest, { sync, components: [...components, "notification-controller"] })),
    isDone: (now) => runs(oldest)(now) && isWithoutWarning(now),
  },
  upgrade: {
    begin: async (world) => {
      for (const object of stored) await world.apply(withoutOthersFinalizers(object));
      await world.change({ spec: { components, distribution: { version: newest } } });
    },
    isDone: (now) => runs(newest)(now) && isWithoutWarning(now),
  },
  uninstall: { begin: (world) => world.change(undefined), isDone: isGone },
};

function isWithoutWarning(now: Instance): boolean {
  return now !== undefined && condition(now, "Warning") === undefined;
}

/** What someone else's finalizer on it would hold up for ever; one of them has its controller in the world. */
function withoutOthersFinalizers(object: KubeObject): KubeObject {
  if (object.kind !== "Bucket") return object;
  const { finalizers: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** What a change leaves where nothing goes wrong. */
type Wanted = { readonly contents: ReadonlyMap<string, string>; readonly rollouts: ReadonlyMap<string, number> };

/** One plane on which cells are played, one after another. */
export type FaultWorld = AsyncDisposable & {
  /** Plays an install, an upgrade and an uninstall, each with its cell if it has one. */
  turn(cells: readonly Cell[]): Promise<readonly Outcome[]>;
};

export async function startFaultWorld(): Promise<FaultWorld> {
  const health = await freePort();
  const world = await startCrashWorld({
    etcds: 3,
    env: { NODE_OPTIONS: clockAhead(0) },
    args: [`--health-addr=127.0.0.1:${health}`],
    connect: connectWithFile,
    isMeantToFail: () => true,
  });
  const wanted = new Map<Change, Wanted>();
  const probe = async (path: string): Promise<number> => (await fetch(`http://127.0.0.1:${health}${path}`)).status;
  const context: Context = { world, probe, wanted };
  await world.begin();
  for (const during of order) {
    await changes[during].begin(world);
    await untilDone(world, during, () => true);
    wanted.set(during, await whatIsThere(world));
  }
  return {
    turn: async (cells) => {
      const outcomes: Outcome[] = [];
      for (let due = cells, tries = 0; due.length > 0 && tries <= order.length; tries += 1) {
        const played = await playOnce(due, context);
        outcomes.push(...played.outcomes);
        due = due.filter((cell) => !played.cells.has(cell));
      }
      return outcomes;
    },
    [Symbol.asyncDispose]: async () => {
      await world[Symbol.asyncDispose]();
      await endStarted();
    },
  };
}

type Played = { readonly outcomes: readonly Outcome[]; readonly cells: ReadonlySet<Cell> };

/** From an install to an uninstall, or to the first change that did not end as it should. */
async function playOnce(due: readonly Cell[], context: Context): Promise<Played> {
  const outcomes: Outcome[] = [];
  const played = new Set<Cell>();
  for (const during of order) {
    const cell = due.find((one) => one.during === during);
    const outcome = await play(cell ?? { during, stages: [], span: "once" }, context);
    if (cell !== undefined) played.add(cell);
    if (cell !== undefined || outcome.problems.length > 0) outcomes.push(outcome);
    if (outcome.problems.length === 0) continue;
    // What has gone wrong would go on in what follows.
    await beginAgain(context.world, outcome);
    break;
  }
  return { outcomes, cells: played };
}

async function beginAgain(world: CrashWorld, { fault, during, problems }: Outcome): Promise<void> {
  try {
    await world.begin();
  } catch (error) {
    throw new Error(`Cannot begin again after ${fault} in the ${during}: ${problems.join("; ")}`, { cause: error });
  }
}

const order = ["install", "upgrade", "uninstall"] as const satisfies readonly Change[];

type Context = {
  readonly world: CrashWorld;
  readonly probe: (path: string) => Promise<number>;
  readonly wanted: ReadonlyMap<Change, Wanted>;
};

type Hit = { readonly atMs: number; readonly request: SeenRequest };

/** A change in which nothing goes wrong is played, too. */
type Playable = Omit<Cell, "fault"> & { readonly fault?: Fault };

async function play(cell: Playable, context: Context): Promise<Outcome> {
  const { world } = context;
  const { fault, span, during } = cell;
  const from = { requests: world.wire.requests.length, log: world.log().length, audit: await auditLength(world) };
  const befallen: Befallen[] = [];
  const problems: string[] = [];
  let rollbacks = 0;
  const over = new AbortController();
  try {
    const before = toldByInstance(await instanceOf(world));
    const troubled = fault === undefined ? undefined : { cell: { ...cell, fault }, from, befallen, before };
    const troubling = troubled === undefined ? [] : trouble(troubled, context, over.signal).catch(messagesOf);
    await changes[during].begin(world);
    rollbacks = await untilDone(world, during, () => befallen.length === cell.stages.length || over.signal.aborted);
    over.abort(new Error("the change has ended"));
    problems.push(...(await troubling), ...(await faultsOf(context, { cell, rollbacks, from })));
  } catch (error) {
    over.abort(error);
    problems.push(...messagesOf(error));
  }
  world.wire.heal();
  const missed = cell.stages.filter(({ name }) => !befallen.some(({ stage, hits }) => stage === name && hits > 0));
  problems.push(...missed.map(({ name }) => `nothing was asked for in the stage "${name}"`));
  const hot = befallen.filter(({ mostInOneSecond }) => mostInOneSecond > sameInOneSecond);
  problems.push(
    ...hot.map((one) => `${one.stage}: the same was asked for ${one.mostInOneSecond} times within a second`),
  );
  return { fault: fault?.name ?? "none", span, during, stages: befallen, rollbacks, problems };
}

function messagesOf(error: unknown): readonly string[] {
  return [error instanceof Error ? error.message : String(error)];
}

type Troubled = {
  readonly cell: Cell;
  readonly from: From;
  readonly befallen: Befallen[];
  /** What the instance told before the change: once a request is hit, it may tell of that already. */
  readonly before: string | undefined;
};

/** Lets the fault befall one stage after another, and notes what came of it. Resolves to what was wrong meanwhile. */
async function trouble(
  { cell, from, befallen, before: first }: Troubled,
  context: Context,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { world } = context;
  const problems: string[] = [];
  let next = ambush(cell.stages[0], { cell, from, after: Promise.resolve() }, world);
  next.inject();
  let before = first;
  for (const [at, stage] of cell.stages.entries()) {
    const { hits, lift } = next;
    try {
      while (hits.length === 0) await systemClock.sleep(10, signal);
    } catch {
      // The change is through, and has never come to this stage.
      return problems;
    }
    const lifted = Promise.withResolvers<void>();
    const following = ambush(cell.stages[at + 1], { cell, from, after: lifted.promise }, world);
    // Most that happens to the control plane does not stop the change: it would come past the next stage meanwhile.
    if (cell.fault.kind === "plane") following.inject();
    let told: string | undefined;
    if (cell.span === "lasting") {
      const lines = world.log().length;
      problems.push(...(await outlast({ stage, fault: cell.fault, before }, context)));
      await lift();
      const now = await instanceOf(world);
      before = toldByInstance(now);
      told = toldBy(stage.isSilent === true ? undefined : now, world.log().slice(lines));
    }
    const { length } = hits;
    befallen.push({
      stage: stage.name,
      hits: length,
      mostInOneSecond: mostInOneSecond(hits),
      ...(told === undefined ? {} : { told }),
    });
    // Without a moment between the two, in which the change could come past the next stage.
    world.wire.heal();
    following.inject();
    lifted.resolve();
    next = following;
    if (cell.span === "lasting" || cell.fault.isSlow === true) await ask(world);
  }
  return problems;
}

/** Until when a fault lasts, and what is wrong meanwhile. */
async function outlast(
  { stage, fault, before }: { readonly stage: Stage; readonly fault: Fault; readonly before: string | undefined },
  { world, probe }: Context,
): Promise<readonly string[]> {
  await systemClock.sleep(lastingMs, never);
  const untold = fault.isTold === true && stage.isSilent !== true ? await untilTold(world, stage, before) : [];
  const [alive, ready] = [await probe("/healthz"), await probe("/readyz")];
  return [
    ...untold,
    ...(alive === 200 ? [] : [`${stage.name}: /healthz answered ${alive}`]),
    ...(ready === 200 || fault.kind === "plane" ? [] : [`${stage.name}: /readyz answered ${ready}`]),
  ];
}

type Ambush = {
  /** Grows with each request of the stage. */
  readonly hits: readonly Hit[];
  /** From now on, until the wire is healed, the stage is lain in wait for. */
  readonly inject: () => void;
  readonly lift: () => Promise<void>;
};

/** Lets the fault befall that stage; what befalls the control plane does so after `after`, and until then the stage's requests are held. */
function ambush(
  stage: Stage | undefined,
  { cell: { fault, span }, from, after }: Pick<Troubled, "cell" | "from"> & { readonly after: Promise<void> },
  world: CrashWorld,
): Ambush {
  const { wire } = world;
  const hits: Hit[] = [];
  let begun: Promise<() => Promise<void>> | undefined;
  // From then on, its requests are as others are.
  let hasBegun = false;
  const befall = async (): Promise<void> => {
    await after;
    if (fault.kind === "plane") await (begun ??= fault.begin(world));
    hasBegun = true;
  };
  const inject = (): void => {
    if (stage === undefined) return;
    wire.inject({
      when: (request) => {
        if (fault.befalls?.(request) === false) return false;
        if (!stage.is(request, wire.requests.slice(from.requests))) return false;
        hits.push({ atMs: performance.now(), request });
        return !hasBegun;
      },
      fault: fault.kind === "wire" ? fault.fault : { kind: "hold", until: befall },
      times: span === "once" ? 1 : Number.POSITIVE_INFINITY,
    });
  };
  const lift = async (): Promise<void> => {
    const end = await begun;
    await end?.();
  };
  return { hits, inject, lift };
}

/** The instance; asked for again while the API server is away, as it is when it is restarted. */
async function instanceOf(world: CrashWorld): Promise<Instance> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    try {
      return await world.instance();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await systemClock.sleep(100, never);
    }
  }
}

/** Waits for the instance to tell of it, which is not what it told `before`; an empty list when it does. */
async function untilTold(world: CrashWorld, { name }: Stage, before: string | undefined): Promise<readonly string[]> {
  const deadline = performance.now() + toldWithinMs;
  const tells = async (): Promise<boolean> => {
    const told = toldByInstance(await instanceOf(world));
    return told !== undefined && told !== before;
  };
  while (!(await tells())) {
    if (performance.now() > deadline) return [`${name}: the instance does not tell of it`];
    await systemClock.sleep(50, never);
  }
  return [];
}

/** So that what waits for longer after each failure comes to the next stage at once. */
async function ask(world: CrashWorld): Promise<void> {
  const { length } = world.wire.requests;
  await systemClock.sleep(1_000, never);
  if (world.wire.requests.length === length && (await instanceOf(world)) !== undefined) await world.request();
}

/** After so long no stage comes that has not come. */
const idleMs = 15_000;

/** Waits for the end of the change, and for the fault's last stage before that; an upgrade that was rolled back is asked for again. Resolves to how often that was so. */
async function untilDone(world: CrashWorld, during: Change, isCalm: () => boolean): Promise<number> {
  const deadline = performance.now() + patienceMs;
  let rollbacks = 0;
  let asked: string | undefined;
  let doneMs: number | undefined;
  for (;;) {
    if (world.isDead()) throw new Error(`the operator has ended: ${world.log().slice(-5).join("\n")}`);
    const now = await instanceOf(world);
    if (changes[during].isDone(now)) doneMs ??= performance.now();
    else doneMs = undefined;
    if (doneMs !== undefined && (isCalm() || performance.now() > doneMs + idleMs)) {
      if (now === undefined) return rollbacks;
      asked ??= await world.request();
      if (statusOf(now)["lastHandledReconcileAt"] === asked) break;
    }
    if (now !== undefined && isGivenUp(now)) {
      rollbacks += 1;
      await force(world, `again-${rollbacks}-${performance.now()}`);
      await untilHandled(world, now);
    }
    if (performance.now() > deadline) throw new Error(complaint(now, world, during));
    await systemClock.sleep(100, never);
  }
  if (rollbacks > 0) await world.change({ metadata: { annotations: { "reconcile.fluxcd.io/forceAt": null } } });
  return rollbacks;
}

function isGivenUp(now: KubeObject): boolean {
  return (
    statusOf(now)["observedGeneration"] === now.metadata.generation &&
    condition(now, "Ready")?.startsWith("False/UpgradeFailed: ") === true &&
    condition(now, "Stalled") !== undefined
  );
}

async function force(world: CrashWorld, at: string): Promise<void> {
  const annotations = { "reconcile.fluxcd.io/forceAt": at, "reconcile.fluxcd.io/requestedAt": at };
  await world.change({ metadata: { annotations } });
}

async function untilHandled(world: CrashWorld, before: KubeObject): Promise<void> {
  const deadline = AbortSignal.timeout(patienceMs);
  const last = JSON.stringify(statusOf(before));
  while (JSON.stringify(statusOf((await instanceOf(world)) ?? before)) === last) await systemClock.sleep(25, deadline);
}

function complaint(now: Instance, world: CrashWorld, during: Change): string {
  const {
    inventory: _,
    plan: __,
    components: ___,
    ...status
  } = statusOf(now ?? ({ metadata: { name: "" } } as KubeObject));
  const said =
    now === undefined
      ? "there is no instance"
      : JSON.stringify({ metadata: now.metadata.generation, annotations: now.metadata.annotations, status });
  return `the ${during} did not end: ${said}\n${world.log().slice(-5).join("\n")}`;
}

type From = { readonly requests: number; readonly log: number; readonly audit: number };

/** How often Kubernetes has rolled a Deployment out, which a rollback adds to. */
const rolloutCount = ".annotations.deployment.kubernetes.io/revision ";

/** What is not as it is where nothing goes wrong. */
async function faultsOf(
  { world, wanted }: Context,
  { cell, rollbacks, from }: { readonly cell: Playable; readonly rollbacks: number; readonly from: From },
): Promise<readonly string[]> {
  const { during, fault } = cell;
  const end = wanted.get(during);
  if (end === undefined) return [];
  const { contents, rollouts } = await whatIsThere(world);
  const differ = differencesOf(contents, end.contents).filter(
    (text) => rollbacks === 0 || !text.includes(rolloutCount),
  );
  const again = [...rollouts].filter(([name, generation]) => rollbacks === 0 && end.rollouts.get(name) !== generation);
  const created = (await writesSince(world, from.audit)).filter(({ responseStatus }) => responseStatus?.code === 201);
  const twice = [...Map.groupBy(created, ({ requestURI }) => requestURI.split("?")[0] ?? "")].filter(
    ([, all]) => rollbacks === 0 && fault?.isForgotten !== true && all.length > 1,
  );
  const talk = world
    .log()
    .slice(from.log)
    .filter((line) => !isEntry(line));
  return [
    ...differ,
    ...again.map(([name, generation]) => `${name} has generation ${generation}, not ${end.rollouts.get(name)}`),
    ...twice.map(([path, all]) => `${path} was created ${all.length} times`),
    ...talk.map((line) => `the log has a line that is no entry: ${line}`),
  ];
}

function isEntry(line: string): boolean {
  return line.startsWith("{") && line.endsWith("}") && !/unhandled|uncaught/i.test(line);
}

async function whatIsThere(world: CrashWorld): Promise<Wanted> {
  const contents = await world.contents();
  const deployments = await world.plane.rest.list("/apis/apps/v1/namespaces/flux-system/deployments");
  const rollouts = new Map(deployments.map(({ metadata }) => [metadata.name, metadata.generation ?? 0]));
  return { contents, rollouts };
}

async function auditLength({ plane }: CrashWorld): Promise<number> {
  return (await plane.auditEvents()).length;
}

/** What the operator has written since, but for events, and questions. */
async function writesSince({ plane }: CrashWorld, from: number): Promise<readonly AuditEvent[]> {
  return (await plane.auditEvents())
    .slice(from)
    .filter(
      ({ user, verb, requestURI, objectRef }) =>
        user.username === operatorUser &&
        ["create", "update", "patch", "delete"].includes(verb) &&
        !requestURI.includes("dryRun=All") &&
        objectRef?.resource !== "events" &&
        objectRef?.apiGroup !== "authorization.k8s.io",
    );
}

function mostInOneSecond(hits: readonly Hit[]): number {
  const same = Map.groupBy(hits, ({ request }) => `${request.method} ${request.path}`);
  const most = [...same.values()].map((all) =>
    Math.max(...all.map(({ atMs }) => all.filter((one) => one.atMs >= atMs && one.atMs < atMs + 1_000).length)),
  );
  return Math.max(0, ...most);
}

/** The condition that tells of a failure. */
function toldByInstance(now: Instance): string | undefined {
  if (now === undefined) return undefined;
  const ready = condition(now, "Ready");
  if (ready?.startsWith("False/") === true) return `Ready ${ready}`;
  const warning = condition(now, "Warning");
  return warning === undefined ? undefined : `Warning ${warning}`;
}

/** What the instance says of a failure, or else the last line of the log that does. */
function toldBy(now: Instance, log: readonly string[]): string | undefined {
  const told = toldByInstance(now);
  if (told !== undefined) return told;
  const failed = log
    .filter(isEntry)
    .map((line) => fieldsOf(JSON.parse(line)))
    .findLast(({ level }) => level === "error");
  return failed === undefined ? undefined : `log: ${textOf(failed["msg"])}: ${textOf(failed["error"])}`;
}

/** All there is to play. */
export function cellsOf(all: readonly Fault[]): readonly Cell[] {
  return all.flatMap((fault) => {
    const befallen = stages.filter((stage) => isTried(fault, stage));
    const isOnce = fault.isSlow === true || fault.isObeyed === true;
    const spans: readonly Span[] = fault.kind === "plane" ? ["lasting"] : isOnce ? ["once"] : ["once", "lasting"];
    const perChange = [...Map.groupBy(befallen, ({ during }) => during)];
    return spans.flatMap((span) => perChange.map(([during, of]): Cell => ({ fault, span, during, stages: of })));
  });
}

function isTried(fault: Fault, stage: Stage): boolean {
  if (fault.stages !== undefined) return fault.stages.includes(stage.name);
  if (stage.name === "watch for health") return false;
  return fault.befalls?.({ method: stage.reads === true ? "GET" : "PATCH" }) !== false;
}

/** Cells in turns: an install, an upgrade and an uninstall each, as far as there are any left. */
export function turnsOf(cells: readonly Cell[]): readonly (readonly Cell[])[] {
  const columns = [...Map.groupBy(cells, ({ during }) => during).values()];
  const length = Math.max(0, ...columns.map((column) => column.length));
  return Array.from({ length }, (_, index) => columns.flatMap((column) => column.slice(index, index + 1)));
}
