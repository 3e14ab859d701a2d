import assert from "node:assert/strict";
import { test } from "node:test";

import { chooseChallenge } from "./challenge.ts";
import type { Challenge } from "./challenge.ts";

const bearer: Challenge = {
  kind: "bearer",
  realm: "https://auth.io/token",
  service: "reg.io",
  scope: "repository:a:pull",
};

for (const { name, headers, want } of [
  {
    name: "reads Bearer with realm, service and scope",
    headers: ['Bearer realm="https://auth.io/token",service="reg.io",scope="repository:a:pull"'],
    want: bearer,
  },
  {
    name: "reads spaces, capitals and bare tokens",
    headers: ['bearer  Realm = "https://auth.io/token" ,  SERVICE=reg.io, scope="repository:a:pull"'],
    want: bearer,
  },
  {
    name: "reads commas and escapes inside quotes",
    headers: ['Bearer realm="https://a.io/t",scope="repository:a:pull,push",service="a \\"b\\" c"'],
    want: { kind: "bearer", realm: "https://a.io/t", service: 'a "b" c', scope: "repository:a:pull,push" },
  },
  {
    name: "reads Bearer with a realm alone",
    headers: ['Bearer realm="https://a.io"'],
    want: { kind: "bearer", realm: "https://a.io" },
  },
  { name: "reads Basic", headers: ['Basic realm="reg"'], want: { kind: "basic" } },
  { name: "reads Basic without a realm", headers: ["Basic"], want: { kind: "basic" } },
  {
    name: "prefers Bearer in one header",
    headers: ['Basic realm="x", Bearer realm="https://a.io"'],
    want: { kind: "bearer", realm: "https://a.io" },
  },
  {
    name: "prefers Bearer in several headers",
    headers: ["Negotiate", 'Basic realm="x"', 'Bearer realm="https://a.io"'],
    want: { kind: "bearer", realm: "https://a.io" },
  },
  {
    name: "falls to Basic when Bearer has no realm",
    headers: ['Bearer error="x"', 'Basic realm="y"'],
    want: { kind: "basic" },
  },
  { name: "passes over a token68", headers: ["Negotiate YII=, Basic realm=y"], want: { kind: "basic" } },
  {
    name: "names schemes that it does not know",
    headers: ["Negotiate, NTLM"],
    want: { kind: "unknown", schemes: ["negotiate", "ntlm"] },
  },
  { name: "has no words for nothing", headers: [], want: { kind: "unknown", schemes: [] } },
  { name: "has no words for garbage", headers: ['"""'], want: { kind: "unknown", schemes: [] } },
  {
    name: "ends at an open quote",
    headers: ['Bearer realm="https://a.io'],
    want: { kind: "unknown", schemes: ["bearer"] },
  },
] satisfies readonly { name: string; headers: readonly string[]; want: Challenge }[]) {
  test(`chooseChallenge() ${name}`, () => assert.deepEqual(chooseChallenge(headers), want));
}

test("chooseChallenge() reads a long hostile header in no time", () => {
  assert.deepEqual(chooseChallenge([`Basic ${",".repeat(1_000_000)}`]), { kind: "basic" });
  assert.equal(chooseChallenge([`Bearer realm="${"\\".repeat(1_000_000)}`]).kind, "unknown");
});
