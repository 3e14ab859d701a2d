import assert from "node:assert/strict";
import { test } from "node:test";

import { networkFailure, parseRetryAfter } from "./failures.ts";

const nowMs = Date.parse("2026-01-01T00:00:00Z");

for (const { header, want } of [
  { header: undefined, want: undefined },
  { header: "", want: undefined },
  { header: "soon", want: undefined },
  { header: "0", want: 0 },
  { header: " 30 ", want: 30_000 },
  { header: "Thu, 01 Jan 2026 00:01:00 GMT", want: 60_000 },
  { header: "Wed, 31 Dec 2025 23:00:00 GMT", want: 0 },
  { header: "999999999", want: 86_400_000 },
]) {
  test(`parseRetryAfter() of ${JSON.stringify(header)} is ${want}`, () =>
    assert.equal(parseRetryAfter(header, nowMs), want));
}

const withCode = (code: string, message = "of the machine"): Error => Object.assign(new Error(message), { code });

for (const { name, cause, began = false, want } of [
  {
    name: "a refused connection",
    cause: withCode("ECONNREFUSED"),
    want: "unreachable, again: no server listens at ghcr.io",
  },
  {
    name: "a name that is not known",
    cause: withCode("ENOTFOUND"),
    want: "unreachable, again: the name of ghcr.io cannot be resolved",
  },
  {
    name: "an error inside an error",
    cause: new Error("outer", { cause: withCode("UND_ERR_CONNECT_TIMEOUT") }),
    want: "unreachable, again: ghcr.io does not answer",
  },
  {
    name: "an end in the middle",
    cause: withCode("UND_ERR_SOCKET"),
    began: true,
    want: "truncated, again: the answer of ghcr.io broke off",
  },
  {
    name: "a code without words",
    cause: withCode("EWEIRD"),
    want: "unreachable, again: ghcr.io cannot be reached: EWEIRD",
  },
  {
    name: "an error without a code",
    cause: new Error("strange"),
    want: "unreachable, again: ghcr.io cannot be reached: strange",
  },
  {
    name: "an expired certificate",
    cause: withCode("CERT_HAS_EXPIRED"),
    want: "unreachable, never: the certificate of ghcr.io is not trusted (CERT_HAS_EXPIRED); give the CA that signed it",
  },
]) {
  test(`networkFailure() names ${name}`, () => {
    const { error, transient } = networkFailure(cause, { action: "pull it", host: "ghcr.io", began });
    const said = `${error.kind}, ${transient ? "again" : "never"}: ${error.message.replace("Cannot pull it: ", "")}`;
    assert.equal(said, want);
    assert.equal(error.cause, cause);
  });
}
