import type { SeenRequest, Fault as WireFault } from "../wire-proxy.ts";
import { lagBehind, loseLeader, loseMajority, restoreOlder, useUpSpace } from "./etcd-faults.ts";
import { fillDisk } from "./full-disk.ts";
import {
  breakWebhook,
  restartServer,
  rotateToken,
  stepClock,
  stepNodeClock,
  takeRights,
  useUpQuota,
  type PlaneFault,
} from "./plane-faults.ts";

/** Something that goes wrong, for as long as it is not lifted. */
export type Fault = {
  readonly name: string;
  /** Whether it can befall that request at all. */
  readonly befalls?: (request: Pick<SeenRequest, "method">) => boolean;
  /** The names of the stages in which it is tried; all where it is absent. */
  readonly stages?: readonly string[];
  /** Whether the instance has to tell of it while it lasts: nothing tries a request again that was answered so. */
  readonly isTold?: boolean;
  /** The API server does what it was asked for all the same, so that nobody asks for it again: it befalls one request of each stage. */
  readonly isObeyed?: boolean;
  /** What was written meanwhile is lost, so that it may be created again. */
  readonly isForgotten?: boolean;
  /** Each request waits for this so long that it is tried only once at each stage. */
  readonly isSlow?: boolean;
  /** All that runs on this machine has it: it is tried only when it is asked for by its name. */
  readonly isOfMachine?: boolean;
} & ({ readonly kind: "wire"; readonly fault: WireFault } | { readonly kind: "plane"; readonly begin: PlaneFault });

/** Where each part of the law has something to lose. */
const turningPoints = [
  "apply CRDs",
  "bridge",
  "move stored objects",
  "apply controllers",
  "stop controllers",
  "delete CRDs",
];

const isWrite = ({ method }: Pick<SeenRequest, "method">): boolean => method !== "GET";

export const faults: readonly Fault[] = [
  {
    name: "409",
    befalls: isWrite,
    ...answer(
      409,
      "Conflict",
      "Operation cannot be fulfilled: the object has been modified; please apply your changes",
    ),
  },
  {
    name: "422 of a webhook",
    isTold: true,
    befalls: isWrite,
    ...answer(422, "Invalid", 'admission webhook "policy.example.com" denied the request: not today'),
  },
  {
    name: "429",
    ...answer(429, "TooManyRequests", "too many requests, please try again later", { "retry-after": "1" }),
  },
  { name: "401", ...answer(401, "Unauthorized", "Unauthorized") },
  { name: "500", isTold: true, ...answer(500, "InternalError", "Internal error occurred: etcdserver: leader changed") },
  { name: "503", isTold: true, kind: "wire", fault: { kind: "answer", status: 503, body: "<html>no backend</html>" } },
  {
    name: "504",
    isTold: true,
    ...answer(504, "Timeout", "Timeout: request did not complete within the allotted time"),
  },
  { name: "cut before the answer", kind: "wire", fault: { kind: "reset" } },
  { name: "cut within the answer", kind: "wire", isObeyed: true, fault: { kind: "cut", afterBytes: 10 } },
  { name: "answer lost", kind: "wire", isObeyed: true, fault: { kind: "lose" } },
  { name: "no answer", kind: "wire", isSlow: true, fault: { kind: "blackhole" } },
  {
    name: "watch cut",
    kind: "wire",
    stages: ["watch for health"],
    fault: { kind: "reset" },
  },
  { name: "watch silent", kind: "wire", isSlow: true, stages: ["watch for health"], fault: { kind: "blackhole" } },
  { name: "watch ends at once", kind: "wire", stages: ["watch for health"], fault: { kind: "answer", status: 200 } },
  {
    name: "watch expired (410)",
    kind: "wire",
    stages: ["watch for health"],
    fault: { kind: "answer", status: 200, body: `${JSON.stringify({ type: "ERROR", object: expired() })}\n` },
  },
  { name: "watch refused (410)", stages: ["watch for health"], ...answer(410, "Expired", "too old resource version") },
  {
    name: "API server restarted",
    kind: "plane",
    stages: ["apply CRDs", "bridge", "move stored objects", "apply controllers", "watch for health", "delete CRDs"],
    begin: restartServer,
  },
  { name: "second API server late", kind: "plane", stages: turningPoints, begin: lagBehind },
  { name: "leader of etcd lost", kind: "plane", stages: turningPoints, begin: loseLeader },
  { name: "majority of etcd lost", kind: "plane", stages: turningPoints, begin: loseMajority },
  { name: "no space in etcd", kind: "plane", stages: [...turningPoints, "keep what is good"], begin: useUpSpace },
  { name: "disk full under etcd", kind: "plane", stages: turningPoints, begin: fillDisk },
  {
    name: "etcd restored",
    kind: "plane",
    isForgotten: true,
    stages: [...turningPoints, "watch for health"],
    begin: restoreOlder,
  },
  { name: "clock stepped", kind: "plane", stages: turningPoints, begin: stepClock },
  { name: "clock of the node stepped", kind: "plane", isOfMachine: true, stages: turningPoints, begin: stepNodeClock },
  {
    name: "rights taken away",
    kind: "plane",
    stages: [
      "apply the foundation",
      "look (dry-run)",
      "bridge",
      "apply controllers",
      "take finalizers off",
      "delete the rest",
    ],
    begin: takeRights,
  },
  {
    name: "token rotated",
    kind: "plane",
    stages: ["apply the foundation", "bridge", "apply controllers", "delete CRDs"],
    begin: rotateToken,
  },
  { name: "quota used up", kind: "plane", stages: ["apply the foundation"], begin: useUpQuota },
  {
    name: "admission webhook down",
    kind: "plane",
    stages: [
      "apply CRDs",
      "apply the foundation",
      "look (dry-run)",
      "bridge",
      "apply controllers",
      "prune",
      "delete CRDs",
    ],
    begin: breakWebhook,
  },
];

function answer(
  code: number,
  reason: string,
  message: string,
  headers: { readonly [name: string]: string } = {},
): { readonly kind: "wire"; readonly fault: WireFault } {
  const body = JSON.stringify(statusOf(code, reason, message));
  const json = { "content-type": "application/json", ...headers };
  return { kind: "wire", fault: { kind: "answer", status: code, headers: json, body } };
}

function expired(): object {
  return statusOf(410, "Expired", "too old resource version: 1 (2)");
}

function statusOf(code: number, reason: string, message: string): object {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message };
}
