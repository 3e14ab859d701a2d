import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError, isConflict, isExpired, readStatus } from "./api-error.ts";

const forbidden = JSON.stringify({
  kind: "Status",
  code: 403,
  reason: "Forbidden",
  message: "pods is forbidden",
  details: { name: "a", kind: "pods", causes: [{ field: "spec", message: "no", reason: "X" }], retryAfterSeconds: 2 },
});

for (const { name, got, want } of [
  {
    name: "keeps what Kubernetes says",
    got: readStatus(403, forbidden),
    want: {
      code: 403,
      reason: "Forbidden",
      message: "pods is forbidden",
      name: "a",
      causes: [{ field: "spec", message: "no", reason: "X" }],
      retryAfterMs: 2_000,
    },
  },
  {
    name: "takes the text of a page that is no Status",
    got: readStatus(429, "<html><h1>Too many\n requests</h1></html>", "7"),
    want: { code: 429, reason: "", message: "Too many requests", causes: [], retryAfterMs: 7_000 },
  },
  {
    name: "names no object when the server does not know the kind",
    got: readStatus(404, "404 page not found\n"),
    want: { code: 404, reason: "", message: "404 page not found", causes: [] },
  },
  {
    name: "ignores a Retry-After that is no number of seconds",
    got: readStatus(503, "", "Wed, 21 Oct 2015 07:28:00 GMT"),
    want: { code: 503, reason: "", message: "", causes: [] },
  },
]) {
  test(`readStatus() ${name}`, () => assert.deepEqual(got, want));
}

test("ApiError says what was tried and what was answered", () => {
  const messages = [readStatus(403, forbidden), readStatus(503, "")].map(
    (status) => new ApiError("get Pod/a", status).message,
  );
  assert.deepEqual(messages, ["Cannot get Pod/a: pods is forbidden", "Cannot get Pod/a: API server answered 503"]);
});

for (const { name, status, expired, conflict } of [
  { name: "410", status: { code: 410, reason: "Expired", message: "", causes: [] }, expired: true, conflict: false },
  {
    name: "a version newer than the server's",
    status: { code: 504, reason: "Timeout", message: "", causes: [{ reason: "ResourceVersionTooLarge" }] },
    expired: true,
    conflict: false,
  },
  {
    name: "a conflict",
    status: { code: 409, reason: "Conflict", message: "", causes: [] },
    expired: false,
    conflict: true,
  },
  {
    name: "an object that exists",
    status: { code: 409, reason: "AlreadyExists", message: "", causes: [] },
    expired: false,
    conflict: false,
  },
]) {
  test(`isExpired() and isConflict() know ${name}`, () => {
    const error = new ApiError("x", status);
    assert.deepEqual([isExpired(error), isConflict(error)], [expired, conflict]);
  });
}
