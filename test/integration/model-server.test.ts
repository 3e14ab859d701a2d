import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import type { JsonValue, KubeObject } from "../../src/kube/object.ts";
import { isJsonObject } from "../../src/std/json.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { createMemoryServer, type MemoryServer } from "../support/model/api-server.ts";
import {
  Names,
  operation,
  pathOfOperation,
  requestOf,
  widgetDefinition,
  type Operation,
  type ServerRequest,
} from "../support/model/server-operations.ts";

const runs = Number(process.env["MODEL_SERVER_RUNS"] ?? 60);
const seed = Number(process.env["MODEL_SEED"] ?? 1);

let plane: ControlPlane;
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

before(async () => {
  plane = await startControlPlane({ variant: "light" });
  await plane.rest.create(definitions, widgetDefinition);
  await untilServed();
});
after(async () => {
  await plane?.stop();
});

/** A definition is served a moment after it was created. */
async function untilServed(): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  const path = "/apis/model.example.com/v1/namespaces/default/widgets";
  while ((await plane.rest.request("GET", path, { signal: deadline })).status !== 200);
}

function memoryServer(): MemoryServer {
  const server = createMemoryServer(() => Date.now());
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } };
  server.handle({ method: "POST", path: "/api/v1/namespaces", body: JSON.stringify(namespace) });
  server.handle({ method: "POST", path: definitions, body: JSON.stringify(widgetDefinition) });
  for (let work = server.works.shift(); work !== undefined; work = server.works.shift()) work();
  return server;
}

type Ask = (request: ServerRequest) => Promise<{ readonly status: number; readonly body: JsonValue }>;

const askReal: Ask = ({ method, path, body, contentType }) =>
  plane.rest.request(method, path, {
    ...(body === undefined ? {} : { body }),
    ...(contentType === undefined ? {} : { contentType }),
  });

function askMemory(server: MemoryServer): Ask {
  return async ({ method, path, body, contentType = "application/merge-patch+json" }) =>
    server.handle({
      method,
      path,
      headers: { "content-type": contentType },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
}

/** What a server makes of operations, one after another: each answer, and the object after it. */
function tellerOf(ask: Ask, unique: string): (operation: Operation) => Promise<JsonValue> {
  const names = new Names();
  return async (operation) => {
    const path = pathOfOperation(operation, unique);
    const live = await ask({ method: "GET", path });
    const object = live.status === 200 && isJsonObject(live.body) ? (live.body as KubeObject) : undefined;
    const answer = await ask(requestOf(operation, unique, object));
    const after = await ask({ method: "GET", path });
    return { answer: names.answer(answer.status, answer.body), after: names.answer(after.status, after.body) };
  };
}

describe("the API server in memory", () => {
  let run = 0;
  test("answers random requests as a real one does", async () => {
    const property = fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 12 }), async (operations) => {
      run += 1;
      const unique = `r${run}`;
      const [real, memory] = [tellerOf(askReal, unique), tellerOf(askMemory(memoryServer()), unique)];
      for (const one of operations) assert.deepEqual(await memory(one), await real(one));
    });
    await fc.assert(property, { numRuns: runs, seed, endOnFailure: false });
  });
});
