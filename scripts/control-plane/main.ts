/** `npm run cluster [-- --light | --node]`: starts a cluster, says how to reach it, and keeps it until Ctrl-C. */
import { once } from "node:events";
import { parseArgs } from "node:util";
import { startControlPlane } from "./control-plane.ts";

const { values } = parseArgs({
  options: { light: { type: "boolean", default: false }, node: { type: "boolean", default: false } },
});
const variant = values.light ? "light" : values.node ? "node" : "full";
const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());

try {
  await using plane = await startControlPlane({ variant, signal: interrupt.signal });
  console.log(`export KUBECONFIG=${plane.kubeconfigPath}`);
  console.log(`alias kubectl=${plane.binaries.kubectl}`);
  console.log("The cluster runs until Ctrl-C");
  const keepAlive = setInterval(() => undefined, 60_000);
  if (!interrupt.signal.aborted) await once(interrupt.signal, "abort");
  clearInterval(keepAlive);
} catch (error) {
  if (!interrupt.signal.aborted) throw error;
}
