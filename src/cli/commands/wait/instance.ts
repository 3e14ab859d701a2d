import { awaitInstance, type AwaitOptions } from "../../await-instance.ts";
import { instanceKind } from "../../cluster.ts";
import { readyLook } from "../../instance-look.ts";
import type { Terminal } from "../../terminal.ts";

/** Waits until the instance is ready, and prints what its condition says. Resolves to the exit code. Throws as `awaitInstance`. */
export async function waitForInstance(options: AwaitOptions, terminal: Terminal, signal: AbortSignal): Promise<number> {
  return await awaitInstance(
    options,
    async ({ client, key, words }, within) => readyLook(words, await client.getOrUndefined(instanceKind, key, within)),
    terminal,
    signal,
  );
}
