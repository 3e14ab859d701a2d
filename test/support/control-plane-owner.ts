/** A process that owns a cluster, for tests of how clusters end: `<variant> wait|exit`. Prints the cluster's folder once it is ready. */
import { startControlPlane } from "./control-plane.ts";

const [variant, then] = process.argv.slice(2);
const plane = await startControlPlane({ variant: variant === "full" ? "full" : "light" });
process.stdout.write(`${plane.folder}\n`);
if (then === "wait") setInterval(() => undefined, 60_000);
