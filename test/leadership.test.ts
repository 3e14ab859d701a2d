import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuditEvent } from "../scripts/control-plane/audit.ts";
import { leadershipFaults, takeoverFaults } from "./support/leadership/law.ts";

const candidates = ["a", "b"].map((name) => ({ name, credential: `JTI=${name}`, uid: `uid-${name}` }));

function event(by: string, span: readonly [fromMs: number, toMs: number], more: Partial<AuditEvent>): AuditEvent {
  const [requestReceivedTimestamp, stageTimestamp] = span.map((ms) => new Date(ms).toISOString());
  return {
    stage: "ResponseComplete",
    verb: "update",
    requestURI: "/api/v1/namespaces/flux-system/configmaps/x?fieldManager=flux-operator",
    user: { username: "operator", extra: { "authentication.kubernetes.io/credential-id": [`JTI=${by}`] } },
    objectRef: { resource: "configmaps" },
    responseStatus: { code: 200 },
    requestReceivedTimestamp: requestReceivedTimestamp ?? "",
    stageTimestamp: stageTimestamp ?? "",
    ...more,
  };
}

function lease(by: string, atMs: number, holderIdentity: string, code = 200): AuditEvent {
  const responseObject = { spec: { holderIdentity } };
  return event(by, [atMs, atMs], { objectRef: { resource: "leases" }, responseObject, responseStatus: { code } });
}

const write = (by: string, fromMs: number, toMs = fromMs): AuditEvent => event(by, [fromMs, toMs], {});
const path = "/api/v1/namespaces/flux-system/configmaps/x";

for (const { name, events, want } of [
  { name: "nothing in writes of who leads", events: [lease("a", 0, "x_uid-a_1"), write("a", 1_000)], want: [] },
  {
    name: "nothing in a turn that was refused",
    events: [lease("a", 0, "uid-a"), lease("b", 500, "uid-a", 409), write("a", 1_000)],
    want: [],
  },
  {
    name: "nothing in questions",
    events: [event("a", [0, 0], { requestURI: `${path}?dryRun=All` }), event("a", [0, 0], { verb: "get" })],
    want: [],
  },
  { name: "a write without a lease", events: [write("a", 0)], want: [`a never had the lease: update ${path}`] },
  {
    name: "a write after the lease was given back",
    events: [lease("a", 0, "uid-a"), lease("a", 500, ""), write("a", 1_000)],
    want: [`a has given the lease back: update ${path}`],
  },
  {
    name: "a write after another one got the lease",
    events: [lease("a", 0, "uid-a"), lease("b", 500, "uid-b"), write("a", 1_000), write("b", 1_000)],
    want: [`a wrote while b had the lease: update ${path}`],
  },
  {
    name: "a write that was not answered when another one got the lease",
    events: [lease("a", 0, "uid-a"), write("a", 400, 600), lease("b", 500, "uid-b")],
    want: [`a wrote while b had the lease: update ${path}`],
  },
  {
    name: "a write after the lease was over, though nobody else has it",
    events: [lease("a", 0, "uid-a"), write("a", 8_000), write("a", 8_001)],
    want: [`a wrote after its lease was over: update ${path}`],
  },
]) {
  test(`leadershipFaults() finds ${name}`, () => {
    assert.deepEqual(leadershipFaults(events, { candidates, leaseMs: 8_000 }), want);
  });
}

for (const { name, events, want } of [
  { name: "nothing in renewals", events: [lease("a", 0, "uid-a"), lease("a", 10, "uid-a")], want: [] },
  { name: "nothing after a lease", events: [lease("a", 0, "uid-a"), lease("b", 8_000, "uid-b")], want: [] },
  {
    name: "nothing in a lease that was given back",
    events: [lease("a", 0, "uid-a"), lease("a", 5, ""), lease("b", 10, "uid-b")],
    want: [],
  },
  {
    name: "a takeover before the lease was over",
    events: [lease("a", 0, "uid-a"), lease("a", 5_000, "uid-a"), lease("b", 12_999, "uid-b")],
    want: ["b got the lease of a after 7999 ms"],
  },
  {
    name: "nothing where a stranger has held it in between",
    events: [lease("a", 0, "uid-a"), lease("somebody", 1_000, "somebody"), lease("b", 4_000, "uid-b")],
    want: [],
  },
]) {
  test(`takeoverFaults() finds ${name}`, () => {
    assert.deepEqual(takeoverFaults(events, { candidates, leaseMs: 8_000 }), want);
  });
}
