import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { kubeconfig } from "../../../scripts/control-plane/kubeconfig.ts";
import { createRest, type Rest } from "../../../scripts/control-plane/rest.ts";
import { operatorName } from "../../../src/api/names.ts";
import { fieldsOf } from "../../../src/kube/fields.ts";
import { systemClock } from "../../../src/std/clock.ts";
import type { ControlPlane } from "../control-plane.ts";
import type { CrashWorld } from "../crash/world.ts";
import { operatorUser } from "../installation.ts";
import { endProgram, startProgram, untilServed } from "./programs.ts";

/** Does something to the control plane itself; resolves to what makes it good again. */
export type PlaneFault = (world: CrashWorld) => Promise<() => Promise<void>>;

/** The API server is killed, and started again with the same arguments. */
export const restartServer: PlaneFault = async ({ plane }) => {
  startProgram(plane, await endProgram(plane, "kube-apiserver"));
  return async () => await untilServed(plane.rest);
};

/** The wall clock of the operator is an hour ahead for as long as it lasts: it is stepped both ways, and its other clocks are left alone. */
export const stepClock: PlaneFault = async (world) => {
  world.signal("SIGUSR2");
  return async () => world.signal("SIGUSR2");
};

/** Steps the clock by an hour, and back when its standard input ends, by the clock that nobody steps. */
const stepper = `
  const set = (ms) => require("node:child_process").execFileSync("date", ["-u", "-s", "@" + ms / 1000]);
  const right = () => performance.timeOrigin + performance.now();
  set(right() + 3_600_000);
  process.stdin.resume().once("end", () => set(right()));
`;

/** The clock of this machine is an hour ahead for as long as it lasts, for Kubernetes and the operator alike, however this process ends. As root only. */
export const stepNodeClock: PlaneFault = async () => {
  const before = Date.now();
  const child = spawn(process.execPath, ["--eval", stepper], { stdio: ["pipe", "ignore", "inherit"], detached: true });
  const ended = once(child, "exit");
  const deadline = AbortSignal.timeout(10_000);
  while (Date.now() - before < 3_000_000) await systemClock.sleep(10, deadline);
  return async () => {
    child.stdin.end();
    const [code] = await ended;
    if (code !== 0) throw new Error("The clock of this machine is an hour ahead, and could not be stepped back");
  };
};

const bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
const bindingName = `${operatorName}-manager`;

/** The ClusterRoleBinding of the operator is deleted, and made again. */
export const takeRights: PlaneFault = async (world) => {
  const { plane } = world;
  const { apiVersion, kind, metadata, ...rest } = await plane.rest.get(`${bindings}/${bindingName}`);
  world.disown(`ClusterRoleBinding/${bindingName}`);
  await plane.rest.delete(`${bindings}/${bindingName}`);
  const taken = AbortSignal.timeout(20_000);
  while (await mayPatchDefinitions(plane)) await systemClock.sleep(20, taken);
  return async () => {
    const labelled = { name: bindingName, labels: { ...metadata.labels } };
    await plane.rest.create(bindings, { ...rest, apiVersion, kind, metadata: labelled });
    const given = AbortSignal.timeout(20_000);
    while (!(await mayPatchDefinitions(plane))) await systemClock.sleep(20, given);
  };
};

/** The authorizer learns of a binding by a watch. */
async function mayPatchDefinitions({ rest }: ControlPlane): Promise<boolean> {
  const [group, resource] = ["apiextensions.k8s.io", "customresourcedefinitions"];
  const resourceAttributes = { verb: "patch", group, resource, name: "buckets.source.toolkit.fluxcd.io" };
  const review = await rest.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    spec: { user: operatorUser, resourceAttributes },
  });
  return fieldsOf(review["status"])["allowed"] === true;
}

/** Connects as a pod does: with a token in a file, which is replaced while the operator runs. */
export async function connectWithFile(plane: ControlPlane, server: string): Promise<string> {
  await writeFile(tokenFile(plane), await newToken(plane), { mode: 0o600 });
  const path = join(plane.folder, "operator.kubeconfig");
  const credential = { kind: "token", token: "replaced" } as const;
  const text = kubeconfig(server, plane.caPem, credential).replace(
    '"token": "replaced"',
    '"tokenFile": "operator.token"',
  );
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

function tokenFile({ folder }: ControlPlane): string {
  return join(folder, "operator.token");
}

async function newToken(plane: ControlPlane): Promise<string> {
  return await plane.serviceAccountToken({ namespace: "flux-system", name: operatorName });
}

/** The token that the operator has is refused, until there is another one in its file. */
export const rotateToken: PlaneFault = async ({ plane, wire }) => {
  const old = `Bearer ${await readFile(tokenFile(plane), "utf8")}`;
  const body = JSON.stringify({ kind: "Status", code: 401, reason: "Unauthorized", message: "Unauthorized" });
  wire.inject({
    when: ({ authorization }) => authorization === old,
    fault: { kind: "answer", status: 401, body },
    times: Number.POSITIVE_INFINITY,
  });
  return async () => await writeFile(tokenFile(plane), await newToken(plane), { mode: 0o600 });
};

/** The quota of the namespace allows no Service more than there is. */
export const useUpQuota: PlaneFault = async ({ plane }) => {
  const quotas = "/api/v1/namespaces/flux-system/resourcequotas";
  const metadata = { name: "nothing-more", namespace: "flux-system" };
  await plane.rest.create(quotas, {
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata,
    spec: { hard: { "count/services": "0" } },
  });
  const counted = async (): Promise<boolean> =>
    fieldsOf((await plane.rest.get(`${quotas}/${metadata.name}`))["status"])["hard"] !== undefined;
  const deadline = AbortSignal.timeout(20_000);
  while (!(await counted())) await systemClock.sleep(20, deadline);
  return async () => await plane.rest.delete(`${quotas}/${metadata.name}`);
};

/** A webhook that has to be asked about each of the operator's writes does not answer. */
export const breakWebhook: PlaneFault = async ({ plane }) => {
  const hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
  const rule = { apiGroups: ["*"], apiVersions: ["*"], resources: ["*"], operations: ["*"], scope: "*" };
  await plane.rest.create(hooks, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name: "nobody-answers" },
    webhooks: [
      {
        name: "policy.example.com",
        admissionReviewVersions: ["v1"],
        sideEffects: "None",
        failurePolicy: "Fail",
        timeoutSeconds: 1,
        clientConfig: { url: "https://127.0.0.1:1/" },
        matchConditions: [{ name: "operator", expression: `request.userInfo.username == "${operatorUser}"` }],
        rules: [rule],
      },
    ],
  });
  const { server, caPem } = plane;
  await using operator = createRest({ server, caPem, token: await newToken(plane) });
  const deadline = AbortSignal.timeout(20_000);
  while (await mayWrite(operator)) await systemClock.sleep(20, deadline);
  return async () => await plane.rest.delete(`${hooks}/nobody-answers`);
};

/** Whether nothing at admission refuses a write. The API server learns of a webhook by a watch. */
async function mayWrite(rest: Rest): Promise<boolean> {
  const { status } = await rest.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {
    body: {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SelfSubjectRulesReview",
      spec: { namespace: "default" },
    },
  });
  return status < 300;
}
