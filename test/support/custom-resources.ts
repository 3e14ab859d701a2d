import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import { fluxInstance } from "../../src/api/names.ts";
import { isJsonObject } from "../../src/std/json.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import type { Rest } from "../../scripts/control-plane/rest.ts";
import { instanceOf } from "./instance-cases.ts";

const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

export const instancesPath = (version: string, namespace: string): string =>
  `/apis/${fluxInstance.group}/${version}/namespaces/${namespace}/fluxinstances`;

/** Creates or replaces the CRD and waits until its schema is served. */
export async function installCrd(rest: Rest, crd: KubeObject): Promise<void> {
  await rest.apply(`${crds}/${crd.metadata.name}`, crd);
  for (let left = 200; left > 0; left -= 1) {
    const live = await rest.get(`${crds}/${crd.metadata.name}`);
    if (conditionsOf(live).some(({ type, status }) => type === "Established" && status === "True")) return;
    await sleep(50);
  }
  assert.fail("the CRD was not established in 10 s");
}

function conditionsOf(object: KubeObject): readonly JsonObject[] {
  const status = isJsonObject(object["status"]) ? object["status"] : {};
  return Array.isArray(status["conditions"]) ? status["conditions"].filter(isJsonObject) : [];
}

export function messageOf(body: JsonValue): string {
  return isJsonObject(body) && typeof body["message"] === "string" ? body["message"] : "";
}

const shards = ["Shard_1", "a".repeat(41)];
const sync = { kind: "GitRepository", url: "git@host:fleet", ref: "refs/heads/main", path: "clusters/a" };
/** What no pattern and no bound of today lets in. */
const loose = {
  distribution: { version: "2.x", registry: "https://ghcr.io/fluxcd", imagePullSecret: "My_Secret" },
  sharding: { shards },
  storage: { class: "Fast", size: "10 GB" },
  commonMetadata: { labels: { team: "a b" } },
  components: ["source-controller", "foo-controller"],
  sync,
};
const changesElsewhere: readonly JsonObject[] = [
  { wait: false },
  { distribution: { version: "2.9.x" } },
  { sharding: { key: "example.com/shard" } },
  { storage: { class: "slow" } },
  { commonMetadata: { labels: { owner: "me" } } },
];

/**
 * Stores an instance under a CRD that has no bounds, tightens the CRD, and changes the instance where it is good (let in)
 * and where it is not (refused): CRD validation ratcheting, KEP-4008. Leaves the real CRD behind, and no instance.
 */
export async function assertRatchets(rest: Rest): Promise<void> {
  const path = `${instancesPath("v1", "flux-system")}/flux`;
  const patch = (spec: JsonObject) =>
    rest.request("PATCH", path, { body: { spec }, contentType: "application/merge-patch+json" });
  await installCrd(rest, looseCrd());
  await eventually(
    () => rest.request("POST", instancesPath("v1", "flux-system"), { body: instanceOf(loose) }),
    (status) => status < 300,
  );
  await installCrd(rest, fluxInstanceCrd());
  await eventually(
    () =>
      rest.request("POST", `${instancesPath("v1", "platform")}?dryRun=All`, {
        body: { ...instanceOf(loose), metadata: { name: "flux", namespace: "platform" } },
      }),
    (status) => status === 422,
  );
  for (const change of changesElsewhere) {
    const { status, body } = await patch(change);
    assert.equal(status, 200, `${JSON.stringify(change)}: ${messageOf(body)}`);
  }
  const worse = await patch({ sharding: { shards: [...shards, "B_2"] } });
  assert.equal(worse.status, 422);
  assert.match(messageOf(worse.body), /should match/);
  await rest.delete(path);
}

/** The CRD with nothing but the shape: no rule, no bound, no pattern. */
function looseCrd(): KubeObject {
  const crd: unknown = JSON.parse(JSON.stringify(fluxInstanceCrd()), (key, value: unknown) =>
    ["x-kubernetes-validations", "pattern", "maxLength", "maxItems", "enum", "x-kubernetes-list-type"].includes(key)
      ? undefined
      : value,
  );
  const crdText = JSON.stringify(crd).replaceAll(/,?"x-kubernetes-list-map-keys":\["type"\]/g, "");
  return JSON.parse(crdText);
}

type Send = () => Promise<{ readonly status: number; readonly body: JsonValue }>;

/** The API server serves a changed CRD a moment after it took it. */
async function eventually(send: Send, wanted: (status: number) => boolean): Promise<void> {
  let last: Awaited<ReturnType<Send>> | undefined;
  for (let left = 200; left > 0; left -= 1) {
    last = await send();
    if (wanted(last.status)) return;
    await sleep(50);
  }
  assert.fail(`after 10 s still ${last?.status} ${messageOf(last?.body ?? null)}`);
}
