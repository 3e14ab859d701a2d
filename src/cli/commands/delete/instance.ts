import { awaitInstance, type AwaitOptions } from "../../await-instance.ts";
import { instanceKind } from "../../cluster.ts";
import { deletedLook } from "../../instance-look.ts";
import type { Terminal } from "../../terminal.ts";

/**
 * Deletes the instance and waits until its operator has uninstalled what it installed. Resolves to the exit code, which is 0 also where there is
 * no such instance. Throws ApiError when it may not, and as `awaitInstance`.
 */
export async function deleteInstance(options: AwaitOptions, terminal: Terminal, signal: AbortSignal): Promise<number> {
  let uid: string | undefined;
  return await awaitInstance(
    options,
    async ({ client, key, words }, within) => {
      const instance = await client.getOrUndefined(instanceKind, key, within);
      if (instance === undefined && uid === undefined)
        return { kind: "done", message: `${words} is not there: nothing to delete` };
      uid ??= instance?.metadata.uid;
      if (instance?.metadata.uid === uid && instance?.metadata.deletionTimestamp === undefined) {
        await client.delete({ gvk: instanceKind, key }, uid === undefined ? {} : { uid }, within);
        return { kind: "waiting", why: `${words} is being deleted` };
      }
      return deletedLook(words, uid, instance);
    },
    terminal,
    signal,
  );
}
