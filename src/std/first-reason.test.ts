import assert from "node:assert/strict";
import { test } from "node:test";
import { ReasonedError } from "./errors.ts";
import { firstReasonOf } from "./first-reason.ts";

const [one, two, three] = ["Cannot do 1", "Cannot do 2", "Cannot do 3"].map(
  (message) => new ReasonedError({ reason: "Failed", retry: "backoff", message }),
);
const bug = new TypeError("x is not a function");

for (const { name, thrown, message } of [
  { name: "is the error itself", thrown: one, message: "Cannot do 1" },
  {
    name: "is the first of several by message",
    thrown: new AggregateError([two, one]),
    message: "Cannot do 1 (and 1 more)",
  },
  {
    name: "counts those of several that have failed at several things",
    thrown: new AggregateError([new AggregateError([three, two]), one]),
    message: "Cannot do 1 (and 2 more)",
  },
])
  test(`firstReasonOf() ${name}`, () => assert.equal(firstReasonOf(thrown).message, message));

for (const { name, thrown } of [
  { name: "a bug", thrown: bug },
  { name: "a bug among others", thrown: new AggregateError([one, bug]) },
  { name: "a bug within others", thrown: new AggregateError([one, new AggregateError([two, bug])]) },
])
  test(`firstReasonOf() rethrows ${name}`, () =>
    assert.throws(
      () => firstReasonOf(thrown),
      (error) => error === thrown,
    ));
