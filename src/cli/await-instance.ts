// Tests: test/integration/cli-await.test.ts
import type { OwnedApiClient } from "../client/create-client.ts";
import type { ObjectKey } from "../kube/object.ts";
import { systemClock } from "../std/clock.ts";
import { connectToCluster, type ClusterOptions } from "./cluster.ts";
import { lookUntilDone, type Look } from "./look-until.ts";
import { exitCodes, type Terminal } from "./terminal.ts";

/** The flags of `wait instance` and `delete instance`, and the name. */
export type AwaitOptions = ClusterOptions & {
  readonly name: string;
  readonly namespace: string;
  readonly timeoutMs: number;
};

/** The instance that is looked at, and how messages name it. */
export type Awaited = { readonly client: OwnedApiClient; readonly key: ObjectKey; readonly words: string };

/** Looks at the instance until `look` is done, and prints what that says. Resolves to the exit code. Throws as `lookUntilDone`. */
export async function awaitInstance(
  options: AwaitOptions,
  look: (awaited: Awaited, signal: AbortSignal) => Promise<Look>,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { name, namespace, timeoutMs } = options;
  const client = await connectToCluster(options, terminal);
  try {
    const awaited = { client, key: { namespace, name }, words: `FluxInstance ${namespace}/${name}` };
    const patience = { timeoutMs, clock: systemClock };
    const message = await lookUntilDone((within) => look(awaited, within), patience, terminal, signal);
    terminal.stdout.write(`${message}\n`);
    return exitCodes.done;
  } finally {
    await client.close();
  }
}
