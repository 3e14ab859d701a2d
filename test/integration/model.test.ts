import { describe } from "node:test";
import { testModel } from "../support/model/describe-model.ts";

describe("the operator", () => {
  testModel(40);
});
