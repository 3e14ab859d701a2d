import { fluxInstance } from "../../../api/names.ts";
import { parseApiVersion } from "../../../kube/gvk.ts";
import { systemClock } from "../../../std/clock.ts";
import { connectToCluster, type ClusterOptions } from "../../cluster.ts";
import { readyLook } from "../../instance-look.ts";
import { lookUntilDone } from "../../look-until.ts";
import { exitCodes, type Terminal } from "../../terminal.ts";

/** The flags of `wait instance` and `delete instance`, and the name. */
export type AwaitOptions = ClusterOptions & {
  readonly name: string;
  readonly namespace: string;
  readonly timeoutMs: number;
};

/** Waits until the instance is ready, and prints what its condition says. Resolves to the exit code. Throws as `lookUntilDone`. */
export async function waitForInstance(options: AwaitOptions, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const { name, namespace, timeoutMs } = options;
  const gvk = { ...parseApiVersion(fluxInstance.storageApiVersion), kind: fluxInstance.kind };
  const key = { namespace, name };
  const client = await connectToCluster(options, terminal);
  try {
    const message = await lookUntilDone(
      async (within) => readyLook(`FluxInstance ${namespace}/${name}`, await client.getOrUndefined(gvk, key, within)),
      { timeoutMs, clock: systemClock },
      terminal,
      signal,
    );
    terminal.stdout.write(`${message}\n`);
    return exitCodes.done;
  } finally {
    await client.close();
  }
}
