import assert from "node:assert/strict";
import { labels } from "../../../src/api/names.ts";
import { fieldsOf } from "../../../src/kube/fields.ts";
import { nameObject } from "../../../src/kube/object-id.ts";
import type { KubeObject } from "../../../src/kube/object.ts";
import { readinessOf } from "../../../src/kube/readiness.ts";
import {
  annotate,
  carryOut,
  letGo,
  isDisabled,
  newLedger,
  otherImage,
  specs,
  type Ledger,
  type Script,
} from "./commands.ts";
import { brokenImage, isGoing, pathFor } from "./cluster.ts";
import { applyInstance } from "./stage.ts";
import { Violation, World } from "./world.ts";

/** Runs a script, undoes all that went wrong in it, and throws Violation for what does not hold then or did not on the way. */
export async function play({ seed, commands }: Script): Promise<World> {
  const world = new World(seed);
  const ledger = newLedger();
  world.start();
  try {
    for (const command of commands) {
      await carryOut(command, world.stage, ledger);
      if (command.do === "sick") ledger.wasSick = true;
      checkOnTheWay(world, ledger);
    }
    await heal(world, ledger);
    await checkEnd(world, ledger);
  } finally {
    world.end();
    await world.pass(60_000);
  }
  return world;
}

function fail(problems: readonly string[], world: World): void {
  if (problems.length > 0) throw new Violation(`${[...new Set(problems)].join("\n")}\n${tellEnd(world)}`);
}

/** How the instance was at last, for whoever reads the failure. */
function tellEnd(world: World): string {
  const conditions = world
    .status()
    .conditions.map(({ type, status, reason, message }) => `${type}=${status}/${reason}: ${message}`);
  return [
    "--- status",
    ...conditions,
    "--- log",
    ...world.log.slice(-12).map((line) => JSON.stringify(line, withErrors)),
  ].join("\n");
}

function withErrors(_: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}

function checkOnTheWay(world: World, ledger: Ledger): void {
  fail([...world.violations, ...world.statusProblems, ...blamedOf(world, ledger)], world);
}

/** No upgrade counts as failed, and nothing as unhealthy, where no pod was ever sick. */
function blamedOf(world: World, { wasSick }: Ledger): readonly string[] {
  if (wasSick) return [];
  const told = world.conditions.filter(({ reason }) => reason === "UpgradeFailed" || reason === "HealthCheckFailed");
  return told.map(({ type, reason, message }) => `${type} is ${reason}, and no pod was sick: ${message}`);
}

/** All that stood in the way is gone: requests get through, pods run, nobody holds an object. The spec stays what it is. */
async function heal(world: World, ledger: Ledger): Promise<void> {
  world.calm();
  world.sicken(undefined);
  await world.run();
  await letGo(world.stage, ledger);
  await world.run();
}

const minute = 60_000;
const hour = 60 * minute;
/** How long is waited at last: an upgrade that has failed again and again is tried once a day, a removal goes on every 5 seconds. */
const patienceMs = { ready: 25 * hour, removed: hour };

async function checkEnd(world: World, ledger: Ledger): Promise<void> {
  const instance = world.instance();
  if (instance === undefined || isGoing(instance)) return await checkRemoved(world, ledger);
  if (isDisabled(instance)) await annotate(world.stage, { "fluxcd.controlplane.io/reconcile": null });
  if (ledger.spec !== undefined && specs[ledger.spec]?.isWrong === true) {
    await world.pass(minute);
    const ready = world.status().conditions.find(({ type }) => type === "Ready");
    if (ready?.status !== "False") fail(["a spec that cannot be had is not told"], world);
    await applyInstance(world.stage, specs[0]?.spec ?? {});
  }
  await until(world, "ready", () => notReady(world));
  await checkRest(world);
  fail([...lostOf(world, ledger), ...world.violations, ...world.statusProblems, ...blamedOf(world, ledger)], world);
}

/** Lets time pass until `problems` has none. */
async function until(world: World, what: keyof typeof patienceMs, problems: () => readonly string[]): Promise<void> {
  const untilMs = world.clock.nowMs() + patienceMs[what];
  let toldReady = 0;
  for (let step = minute; ; step = Math.min(step * 2, hour)) {
    await world.pass(step);
    const left = problems();
    if (left.length === 0) return;
    // Drift is seen as it happens; who undoes each repair waits 10 minutes at most.
    toldReady = isReady(world) ? toldReady + 1 : 0;
    if (toldReady > 4) return fail(["Ready is True, and nobody mends what differs:", ...left], world);
    if (world.clock.nowMs() >= untilMs) return fail([`never ${what}:`, ...left], world);
  }
}

function isReady(world: World): boolean {
  const instance = world.instance();
  const { conditions, observedGeneration } = world.status();
  const ready = conditions.find(({ type }) => type === "Ready");
  return ready?.status === "True" && observedGeneration === instance?.metadata.generation;
}

/** Why the instance is not what its spec asks for. */
function notReady(world: World): readonly string[] {
  const ready = world.status().conditions.find(({ type }) => type === "Ready");
  if (!isReady(world)) return [`Ready is ${ready?.status} ${ready?.reason}: ${ready?.message}`];
  return notApplied(world);
}

/** What is wrong with the objects, although Ready is True. */
function notApplied(world: World): readonly string[] {
  const status = world.status();
  const listed = new Set((status.inventory?.entries ?? []).map(({ id }) => id));
  const objects = world.server.objects();
  const version = status.lastAppliedVersion ?? "";
  const existing = new Map(
    objects.map((object) => [inventoryId(object.kind, object.metadata.namespace, object.metadata.name), object]),
  );
  const missing = [...listed].filter((id) => !existing.has(shortId(id)));
  const ours = objects.filter(({ kind, metadata }) =>
    listed.has(idIn(listed, kind, metadata.namespace, metadata.name)),
  );
  const troubles = ours.flatMap((object) => {
    const { metadata } = object;
    const name = nameObject(object);
    const found: string[] = [];
    if (metadata.labels?.[labels.ownerName] !== "flux") found.push(`${name} has lost its labels`);
    if (isGoing(object)) found.push(`${name} is being deleted`);
    const has = metadata.labels?.["app.kubernetes.io/version"];
    // The CRD of a component that is no longer wanted stays while it is used.
    if (has !== undefined && has !== `v${version}` && object.kind !== "CustomResourceDefinition")
      found.push(`${name} is of ${has}, and not of ${version}`);
    const text = JSON.stringify(object);
    if (text.includes(otherImage) || text.includes(brokenImage)) found.push(`${name} has another image`);
    const readiness = readinessOf(object);
    if (readiness.status !== "Current") found.push(`${name}: ${readiness.message}`);
    return found;
  });
  return [...missing.map((id) => `${id} is in the inventory, and not there`), ...troubles];
}

function inventoryId(kind: string, inNamespace = "", name = ""): string {
  return `${inNamespace}_${name.replaceAll(":", "__")}_${kind}`;
}

/** Without the group. */
function shortId(id: string): string {
  const parts = id.split("_");
  return [...parts.slice(0, -2), parts.at(-1)].join("_");
}

function idIn(listed: ReadonlySet<string>, kind: string, inNamespace = "", name = ""): string {
  return [...listed].find((id) => shortId(id) === inventoryId(kind, inNamespace, name)) ?? "";
}

/** An instance at rest writes nothing when it is reconciled, but that it was. */
async function checkRest(world: World): Promise<void> {
  const request = async (): Promise<number> => {
    const before = world.writes;
    await annotate(world.stage, { "reconcile.fluxcd.io/requestedAt": world.stage.moment() });
    await world.pass(minute);
    return world.writes - before;
  };
  await request();
  const writes = await request();
  if (writes !== 1) fail([`a reconcile at rest has made ${writes} writes instead of 1`], world);
}

async function checkRemoved(world: World, ledger: Ledger): Promise<void> {
  await until(world, "removed", () => (isRemoved(world, ledger) ? [] : ["the instance is still there"]));
  const left = world.server
    .objects()
    .filter(({ kind, metadata }) => metadata.labels?.[labels.ownerName] === "flux" && kind !== "Namespace")
    .filter((object) => !isNeeded(object, world, ledger));
  const isWhole =
    world.instance() === undefined &&
    !ledger.wasDisabled &&
    ledger.deletedWith.size === 1 &&
    ledger.deletedWith.has("Uninstall");
  const orphans =
    isWhole && ledger.held.size === 0 && ledger.kept.size === 0
      ? left.map((object) => `${nameObject(object)} was left behind`)
      : [];
  fail(
    [...orphans, ...lostOf(world, ledger), ...world.violations, ...world.statusProblems, ...blamedOf(world, ledger)],
    world,
  );
}

/** A definition stays with an object of its kind that a user has made their own. */
function isNeeded(definition: KubeObject, world: World, { disowned }: Ledger): boolean {
  const kind = fieldsOf(fieldsOf(definition["spec"])["names"])["kind"];
  const isOfUser = (object: KubeObject): boolean => object.kind === kind && disowned.has(pathFor(object));
  return definition.kind === "CustomResourceDefinition" && world.server.objects().some(isOfUser);
}

/** An instance tells what it would leave behind, and stays: what it has forgotten, or what one before it has left. */
function isRemoved(world: World, { isRestored, wasDisabled, deletedWith }: Ledger): boolean {
  if (world.instance() === undefined) return true;
  const told = world.status().conditions.find(({ type }) => type === "Ready");
  const mayLeave = isRestored || wasDisabled || deletedWith.has("KeepResources") || deletedWith.has("Orphan");
  return mayLeave && told?.message.includes("inventory") === true;
}

/** Custom resources of users go with an uninstall; all else of others stays. */
function lostOf(world: World, ledger: Ledger): readonly string[] {
  const goesWithFlux = /^(GitRepository|Kustomization)\//;
  return world.lost
    .filter((name) => !(ledger.deletedWith.has("Uninstall") && goesWithFlux.test(name)))
    .filter((name) => !(ledger.wasSyncDeleted && name === "ConfigMap/apps/fleet"))
    .map((name) => `${name} is lost, which is not ours`);
}

/** For a test that a script makes no trouble. */
export async function assertPlays(script: Script): Promise<void> {
  try {
    await play(script);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    assert.fail(error.message);
  }
}
