import fc from "fast-check";
import { labels, objectAnnotations } from "../../../src/api/names.ts";
import { fieldsOf, listOf, textOf } from "../../../src/kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../../src/kube/object.ts";
import { brokenImage, collectionOf, isGoing, pathFor } from "./cluster.ts";
import { applyInstance, instancePath, namespace, type Stage, type Trouble } from "./stage.ts";

/** What a user, another client or the weather does. A script of these can be written down, and played again. */
export type Command =
  /** A user applies the instance with one of `specs`. */
  | { readonly do: "spec"; readonly spec: number }
  | { readonly do: "delete"; readonly policy: (typeof policies)[number] }
  | { readonly do: "annotate"; readonly reconcile: "enabled" | "disabled" }
  | { readonly do: "request" }
  /** Another client writes to one of the managed objects, counted round. */
  | { readonly do: "foreign"; readonly write: ForeignWrite; readonly object: number }
  | { readonly do: "use" }
  | { readonly do: "restore" }
  | ({ readonly do: "trouble" } & Trouble)
  | { readonly do: "restart"; readonly isNewer: boolean }
  | { readonly do: "watches"; readonly expire: boolean }
  | { readonly do: "sick"; readonly minor: string }
  | { readonly do: "well" }
  | { readonly do: "steps"; readonly steps: number }
  | { readonly do: "settle" }
  | { readonly do: "pass"; readonly minutes: number };

const policies = ["as it is", "Uninstall", "KeepResources", "Orphan"] as const;
const foreignWrites = [
  "delete",
  "label",
  "disown",
  "leave",
  "keep",
  "scale",
  "image",
  "break",
  "hold",
  "replace",
] as const;
export type ForeignWrite = (typeof foreignWrites)[number];

const base: JsonObject = { registry: "ghcr.io/fluxcd" };
const sync: JsonObject = {
  kind: "GitRepository",
  url: "https://git.example.com/fleet",
  ref: "refs/heads/main",
  path: "./",
};

function spec(version: string, components: readonly string[], more: JsonObject = {}): JsonObject {
  return { distribution: { ...base, version }, components: components.map((name) => `${name}-controller`), ...more };
}

/** What users ask for; `isWrong` cannot be had from any operator. */
export const specs: readonly { readonly spec: JsonObject; readonly isWrong?: true }[] = [
  { spec: spec("2.x", ["source"]) },
  { spec: spec("2.x", ["source", "kustomize"], { sync }) },
  { spec: spec("2.6.x", ["source", "kustomize"]) },
  { spec: spec("2.7.x", ["source", "kustomize"], { sync }) },
  { spec: spec("2.x", ["source"], { sharding: { shards: ["a"] } }) },
  { spec: spec("2.x", ["source", "kustomize"], { sharding: { shards: ["a", "b"] }, sync }) },
  { spec: spec("2.x", ["source"], { wait: false }) },
  { spec: spec("2.x", ["source", "kustomize"], { upgrade: { rollback: false } }) },
  {
    spec: spec("2.5.x", ["source", "kustomize"], {
      sync: { ...sync, kind: "OCIRepository", url: "oci://example.com/fleet", ref: "latest" },
    }),
  },
  { spec: spec("2.x", ["source"], { commonMetadata: { labels: { "app.kubernetes.io/managed-by": "me" } } }) },
  { spec: spec("3.0.0", ["source"]), isWrong: true },
];

/** Commands, those first that a shorter script is left with. */
export const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("settle" as const) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("steps" as const), steps: fc.integer({ min: 1, max: 250 }) }) },
  { weight: 7, arbitrary: fc.record({ do: fc.constant("spec" as const), spec: fc.nat(specs.length - 1) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("delete" as const),
      policy: fc.constantFrom(...policies),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("annotate" as const),
      reconcile: fc.constantFrom("enabled" as const, "disabled" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("request" as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("foreign" as const),
      write: fc.constantFrom(...foreignWrites),
      object: fc.nat(40),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("use" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("restore" as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("trouble" as const),
      after: fc.nat(150),
      fault: fc.constantFrom(
        "refused" as const,
        "reset" as const,
        "lost" as const,
        429 as const,
        500 as const,
        503 as const,
        "killed" as const,
      ),
      times: fc.integer({ min: 1, max: 8 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("restart" as const), isNewer: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("watches" as const), expire: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("sick" as const),
      minor: fc.constantFrom("2.6", "2.7", "2.7", "2.8", "2.9"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("well" as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("pass" as const), minutes: fc.constantFrom(1, 5, 20, 90) }) },
);

export type Script = { readonly seed: number; readonly commands: readonly Command[] };

/** Two specs of which the second is an upgrade to a minor. */
const upgrades = [
  { from: 8, to: 2, minor: "2.6" },
  { from: 2, to: 3, minor: "2.7" },
] as const;

/** What is rare by chance alone: each makes sense only in this order, and near to each other. */
const story: fc.Arbitrary<readonly Command[]> = fc.oneof(
  // An upgrade that fails.
  fc
    .record({ upgrade: fc.constantFrom(...upgrades), minutes: fc.constantFrom(5, 20) })
    .map(({ upgrade, minutes }): readonly Command[] => {
      const { from, to, minor } = upgrade;
      return [
        { do: "spec", spec: from },
        { do: "settle" },
        { do: "sick", minor },
        { do: "spec", spec: to },
        { do: "pass", minutes },
      ];
    }),
  // Another client writes while a removal goes on.
  fc
    .record({
      spec: fc.nat(specs.length - 2),
      policy: fc.constantFrom(...policies),
      steps: fc.integer({ min: 1, max: 400 }),
      write: fc.constantFrom("disown" as const, "leave" as const, "keep" as const, "hold" as const),
      object: fc.nat(40),
    })
    .map(({ spec, policy, steps, write, object }): readonly Command[] => [
      { do: "spec", spec },
      { do: "pass", minutes: 1 },
      { do: "delete", policy },
      { do: "steps", steps },
      { do: "foreign", write, object },
      { do: "settle" },
    ]),
  // Another client writes while pods are waited for.
  fc
    .record({
      spec: fc.nat(specs.length - 1),
      steps: fc.integer({ min: 1, max: 700 }),
      write: fc.constantFrom("break" as const, "break" as const, "scale" as const, "delete" as const),
      object: fc.nat(40),
    })
    .map(({ spec, steps, write, object }): readonly Command[] => [
      { do: "spec", spec },
      { do: "steps", steps },
      { do: "foreign", write, object },
      { do: "settle" },
    ]),
);

/** Every script begins with an instance: before there is one, nothing happens. */
export const script: fc.Arbitrary<Script> = fc
  .record({
    seed: fc.nat(1_000_000),
    first: fc.nat(specs.length - 1),
    more: fc.array(
      fc.oneof(
        { weight: 10, arbitrary: command.map((one): readonly Command[] => [one]) },
        { weight: 1, arbitrary: story },
      ),
      {
        minLength: 2,
        maxLength: 16,
        size: "max",
      },
    ),
  })
  .map(({ seed, first, more }) => ({ seed, commands: [{ do: "spec", spec: first }, ...more.flat()] }));

/** What has to be undone for all to become well. */
export type Ledger = {
  readonly held: Set<string>;
  /** Paths of what a user keeps from deletion. */
  readonly kept: Set<string>;
  /** Paths of what a user has taken our labels from. */
  readonly disowned: Set<string>;
  deletedWith: Set<string>;
  spec: number | undefined;
  /** Whether the instance has lost its status, and with it the list of what is its own. */
  isRestored: boolean;
  wasSick: boolean;
  wasDisabled: boolean;
  /** Whether a user has deleted the sync object, and with it what it has applied. */
  wasSyncDeleted: boolean;
};

export function newLedger(): Ledger {
  return {
    held: new Set(),
    kept: new Set(),
    disowned: new Set(),
    deletedWith: new Set(),
    spec: undefined,
    isRestored: false,
    wasSick: false,
    wasDisabled: false,
    wasSyncDeleted: false,
  };
}

export async function carryOut(command: Command, stage: Stage, ledger: Ledger): Promise<void> {
  switch (command.do) {
    case "spec":
      ledger.spec = command.spec;
      return await applyInstance(stage, specs[command.spec]?.spec ?? {});
    case "delete":
      return await deleteInstance(command.policy, stage, ledger);
    case "annotate":
      // Who disables an instance that is being deleted, or deletes it then, keeps all that it has made.
      if (command.reconcile === "disabled") ledger.wasDisabled = true;
      return await annotate(stage, { "fluxcd.controlplane.io/reconcile": command.reconcile });
    case "request":
      return await annotate(stage, { "reconcile.fluxcd.io/requestedAt": stage.moment() });
    case "foreign":
      return await writeForeign(command.write, command.object, stage, ledger);
    case "use":
      return await use(stage);
    case "restore":
      return await restore(stage, ledger);
    case "trouble":
      return await stage.trouble(command);
    case "restart":
      return await stage.restart(command.isNewer);
    case "watches":
      return await stage.dropWatches(command.expire);
    case "sick":
      return await stage.sicken(command.minor);
    case "well":
      return await stage.sicken(undefined);
    case "steps":
      return await stage.run(command.steps);
    case "settle":
      return await stage.run();
    case "pass":
      return await stage.pass(command.minutes * 60_000);
    default:
      throw new Error(`${JSON.stringify(command satisfies never)} is no command`);
  }
}

/** A null removes an annotation. */
export async function annotate(stage: Stage, annotations: { readonly [name: string]: string | null }): Promise<void> {
  await stage.ask("PATCH", instancePath, { metadata: { annotations } });
}

/** What a user has of Flux's kinds. */
const used: readonly KubeObject[] = [
  {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name: "app", namespace: "apps" },
    spec: { interval: "1m0s", url: "https://git.example.com/app" },
  },
  {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "app", namespace: "apps" },
    spec: { interval: "10m0s", prune: true, sourceRef: { kind: "GitRepository", name: "app" } },
  },
];

async function use(stage: Stage): Promise<void> {
  for (const object of used) {
    const { status } = await stage.ask("POST", collectionOf(object), object);
    if (status === 201) stage.onUse(object);
  }
}

/** The instance comes back from a backup, which has no status. */
async function restore(stage: Stage, ledger: Ledger): Promise<void> {
  const instance = await stage.instance();
  if (instance === undefined) return;
  const { status: _, ...rest } = instance as KubeObject & { readonly status?: JsonValue };
  ledger.isRestored = true;
  stage.onRestore();
  await stage.ask("PUT", `${instancePath}/status`, rest);
}

async function deleteInstance(policy: string, stage: Stage, ledger: Ledger): Promise<void> {
  const instance = await stage.instance();
  if (instance === undefined) return;
  if (policy !== "as it is") await stage.ask("PATCH", instancePath, { spec: { deletionPolicy: policy } });
  const { deletionPolicy = "Uninstall" } = fieldsOf((await stage.instance())?.["spec"]);
  ledger.deletedWith.add(textOf(deletionPolicy));
  await stage.ask("DELETE", instancePath, {});
}

export function isDisabled({ metadata }: KubeObject): boolean {
  return metadata.annotations?.["fluxcd.controlplane.io/reconcile"] === "disabled";
}

const holder = "example.com/hold";

/** Users hold and keep nothing any more, and stop what would go on after a removal. */
export async function letGo({ ask }: Pick<Stage, "ask">, { held, kept, disowned }: Ledger): Promise<void> {
  for (const path of held) {
    const { status, body } = await ask("GET", path);
    const metadata = typeof body === "object" ? fieldsOf(body["metadata"]) : {};
    const finalizers = listOf(metadata["finalizers"]).filter((one) => one !== holder);
    if (status === 200) await ask("PATCH", path, { metadata: { finalizers } });
  }
  for (const path of kept) await ask("PATCH", path, { metadata: { annotations: { [objectAnnotations.prune]: null } } });
  // A controller that nobody owns holds up the removal of the definitions.
  const { status, body } = await ask("GET", instancePath);
  if (status !== 200 || typeof body === "string" || !isGoing(body as KubeObject)) return;
  for (const path of disowned) if (path.includes("/deployments/")) await ask("DELETE", path, {});
}

async function disown(object: KubeObject, stage: Stage, ledger: Ledger): Promise<void> {
  ledger.disowned.add(pathFor(object));
  const gone = { [labels.ownerName]: null, [labels.ownerNamespace]: null };
  await stage.ask("PATCH", pathFor(object), { metadata: { labels: gone } });
}

/** Not ours, and it runs. */
export const otherImage = "example.com/other:1";

/** A merge patch that gives all containers of a Deployment the image. */
function withImage(deployment: KubeObject, image: string): JsonObject {
  const { template } = fieldsOf(deployment["spec"]);
  const containers = listOf(fieldsOf(fieldsOf(template)["spec"])["containers"]).map(fieldsOf);
  const changed = containers.map((container) => Object.assign(structuredClone(container), { image }));
  return { spec: { template: { spec: { containers: changed } } } };
}

async function writeForeign(write: ForeignWrite, number: number, stage: Stage, ledger: Ledger): Promise<void> {
  const all = await stage.managed();
  const needsDeployment = write === "scale" || write === "image" || write === "break";
  const objects = needsDeployment ? all.filter(({ kind }) => kind === "Deployment") : all;
  const object = objects[number % Math.max(1, objects.length)];
  if (object === undefined) return;
  const path = pathFor(object);
  const patch = async (body: JsonObject): Promise<void> => void (await stage.ask("PATCH", path, body));
  switch (write) {
    case "delete":
      // A definition takes all of its objects along, which is no accident but what was asked for.
      if (object.kind === "CustomResourceDefinition") return;
      if (object.kind === "Kustomization") ledger.wasSyncDeleted = true;
      await stage.ask("DELETE", path, {});
      return;
    case "label":
      return await patch({ metadata: { labels: { colour: "blue", "app.kubernetes.io/part-of": "mine" } } });
    case "disown":
      return await disown(object, stage, ledger);
    case "leave":
      for (const one of all) await disown(one, stage, ledger);
      return;
    case "keep":
      ledger.kept.add(path);
      return await patch({ metadata: { annotations: { [objectAnnotations.prune]: "disabled" } } });
    case "scale":
      return await patch({ spec: { replicas: number % 2 === 0 ? 0 : 2 } });
    case "image":
      return await patch(withImage(object, otherImage));
    case "break":
      return await patch(withImage(object, brokenImage));
    case "hold":
      if (isGoing(object)) return;
      ledger.held.add(path);
      return await patch({ metadata: { finalizers: [...(object.metadata.finalizers ?? []), holder] } });
    case "replace":
      if (object.kind !== "Service" && object.kind !== "ServiceAccount") return;
      await stage.ask("DELETE", path, {});
      await stage.ask("POST", path.replace(/\/[^/]+$/, ""), {
        apiVersion: "v1",
        kind: object.kind,
        metadata: { name: object.metadata.name, namespace },
      });
      return;
    default:
      throw new Error(`${JSON.stringify(write satisfies never)} is no write`);
  }
}
