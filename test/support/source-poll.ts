import { createHash } from "node:crypto";
import { Agent, request } from "undici";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import { serviceKind } from "../../src/kube/kinds.ts";
import type { ObjectKey } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { errorMessage } from "../../src/std/errors.ts";
import { namespace, statusOf } from "./flux-cluster.ts";
import type { NodeWorld } from "./node-world.ts";
import { sourceKind } from "./real-world.ts";

const never = new AbortController().signal;
const pauseMs = 50;
/** An answer within the node takes a few; without one the request has failed. */
const patienceMs = 3_000;
/** A pod that ends or begins may answer once in between. */
const settledMs = 3_000;
/** Longer than any pod takes to be replaced. */
const longestOutageMs = 60_000;

/** What has become of the requests for an artifact. */
export type Served = {
  readonly requests: number;
  /** Requests without an answer: nobody listened, or the connection broke. */
  readonly failed: number;
  /** Answers that are not the artifact, such as "404", with how many there were. */
  readonly wrong: { readonly [answer: string]: number };
  /** Times from the last good answer before requests failed to the first one that others followed for a while, in milliseconds. */
  readonly outagesMs: readonly number[];
};

/** `stop` ends the poll as soon as the artifact is served, and has been for a while. Throws when it was away for a minute. */
export type SourcePoll = { stop(): Promise<Served> };

/** Asks source-controller's Service for the artifact of that source all the time, each time on a new connection, until `stop`. */
export async function pollSource({ client }: NodeWorld, key: ObjectKey): Promise<SourcePoll> {
  const artifact = fieldsOf(statusOf(await client.get(sourceKind, key, never))["artifact"]);
  const service = await client.get(serviceKind, { namespace, name: "source-controller" }, never);
  const url = new URL(textOf(artifact["url"]));
  const [host, digest] = [url.host, textOf(artifact["digest"])];
  url.hostname = textOf(fieldsOf(service["spec"])["clusterIP"]);
  const over = new AbortController();
  const agent = new Agent({ pipelining: 0, connect: { timeout: patienceMs } });
  let [requests, failed, outageFromMs, goodMs] = [0, 0, Number.NaN, performance.now()];
  const wrong: { [answer: string]: number } = {};
  const outages: { readonly fromMs: number; readonly toMs: number }[] = [];

  /** Empty for the artifact. */
  const ask = async (): Promise<string> => {
    const limits = { headersTimeout: patienceMs, bodyTimeout: patienceMs };
    const { statusCode, body } = await request(url, { dispatcher: agent, headers: { host }, ...limits });
    const content = Buffer.from(await body.arrayBuffer());
    if (statusCode !== 200) return String(statusCode);
    return `sha256:${createHash("sha256").update(content).digest("hex")}` === digest ? "" : "another content";
  };
  const askOnce = async (): Promise<void> => {
    requests += 1;
    try {
      const answer = await ask();
      if (answer !== "") wrong[answer] = (wrong[answer] ?? 0) + 1;
      else served();
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw new Error(errorMessage(error), { cause: error });
      failed += 1;
      if (Number.isNaN(outageFromMs)) outageFromMs = goesOn() ? (outages.pop()?.fromMs ?? goodMs) : goodMs;
    }
  };
  const served = (): void => {
    goodMs = performance.now();
    if (!Number.isNaN(outageFromMs)) outages.push({ fromMs: outageFromMs, toMs: goodMs });
    outageFromMs = Number.NaN;
  };
  /** Whether the last outage is not over for long. */
  const goesOn = (): boolean => performance.now() - (outages.at(-1)?.toMs ?? Number.NEGATIVE_INFINITY) < settledMs;
  const polling = (async () => {
    while (!over.signal.aborted || !Number.isNaN(outageFromMs) || goesOn()) {
      await askOnce();
      await systemClock.sleep(pauseMs, AbortSignal.timeout(longestOutageMs));
      if (performance.now() - goodMs > longestOutageMs) throw new Error(`no artifact for ${longestOutageMs} ms`);
    }
  })();
  return {
    stop: async () => {
      over.abort(new Error("the poll is over"));
      await polling;
      await agent.close();
      return { requests, failed, wrong, outagesMs: outages.map(({ fromMs, toMs }) => toMs - fromMs) };
    },
  };
}
