import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { statusOf, isReady } from "../support/flux-cluster.ts";
import { carryOut, letGo, newLedger, specs, type Script } from "../support/model/commands.ts";
import { given, testModel } from "../support/model/describe-model.ts";
import { startRealStage } from "../support/model/real-stage.ts";
import { applyInstance } from "../support/model/stage.ts";
import { fieldsOf, listOf } from "../../src/kube/fields.ts";

/** Played on a real control plane where no other is given. */
const short: Script = {
  seed: 1,
  commands: [
    { do: "spec", spec: 3 },
    { do: "settle" },
    { do: "use" },
    { do: "foreign", write: "hold", object: 3 },
    { do: "foreign", write: "disown", object: 9 },
    { do: "trouble", after: 20, fault: 500, times: 3 },
    { do: "spec", spec: 5 },
    { do: "steps", steps: 60 },
    { do: "restart", isNewer: false },
    { do: "settle" },
    { do: "foreign", write: "scale", object: 0 },
    { do: "watches", expire: false },
  ],
};

describe("the operator", () => {
  testModel(300);

  test("plays the same scripts on a real control plane, and is Ready or removed at last", async () => {
    await using stage = await startRealStage();
    const ledger = newLedger();
    for (const command of (given ?? short).commands) await carryOut(command, stage, ledger);
    await stage.calm();
    await letGo(stage, ledger);
    const instance = await stage.instance();
    if (instance === undefined) return;
    if (instance.metadata.deletionTimestamp !== undefined)
      return await stage.cluster.gone("FluxInstance/flux-system/flux");
    if (specs[ledger.spec ?? 0]?.isWrong === true) await applyInstance(stage, specs[0]?.spec ?? {});
    const ready = await stage.cluster.instanceWhen("Ready", isReady);
    assert.notEqual(listOf(fieldsOf(statusOf(ready)["inventory"])["entries"]).length, 0);
  });
});
