import { fluxInstance } from "../../../api/names.ts";
import { parseApiVersion } from "../../../kube/gvk.ts";
import { systemClock } from "../../../std/clock.ts";
import { connectToCluster } from "../../cluster.ts";
import { deletedLook } from "../../instance-look.ts";
import { lookUntilDone } from "../../look-until.ts";
import { exitCodes, type Terminal } from "../../terminal.ts";
import type { AwaitOptions } from "../wait/instance.ts";

/**
 * Deletes the instance and waits until its operator has uninstalled what it installed. Resolves to the exit code, which is 0 also where there is
 * no such instance. Throws ApiError when it may not, and as `lookUntilDone`.
 */
export async function deleteInstance(options: AwaitOptions, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const { name, namespace, timeoutMs } = options;
  const gvk = { ...parseApiVersion(fluxInstance.storageApiVersion), kind: fluxInstance.kind };
  const key = { namespace, name };
  const words = `FluxInstance ${namespace}/${name}`;
  const client = await connectToCluster(options, terminal);
  let uid: string | undefined;
  try {
    const message = await lookUntilDone(
      async (within) => {
        const instance = await client.getOrUndefined(gvk, key, within);
        if (instance === undefined && uid === undefined)
          return { kind: "done", message: `${words} is not there: nothing to delete` };
        uid ??= instance?.metadata.uid;
        if (instance?.metadata.uid === uid && instance?.metadata.deletionTimestamp === undefined) {
          await client.delete({ gvk, key }, uid === undefined ? {} : { uid }, within);
          return { kind: "waiting", why: `${words} is being deleted` };
        }
        return deletedLook(words, uid, instance);
      },
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
