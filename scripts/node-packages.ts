/** `npm run node:packages`: installs what a real node needs of Debian and this machine lacks, and says what that is. */
import { spawnSync } from "node:child_process";
import { machineUnfit, missingPackages } from "./control-plane/node/absent.ts";

const unfit = machineUnfit();
const missing = unfit === undefined ? missingPackages() : [];
if (unfit !== undefined) console.log(`No packages are installed: ${unfit}`);
else if (missing.length === 0) console.log("All packages that a real node needs are installed");
else {
  console.log(`Installing for a real node: ${missing.join(", ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args: readonly string[]): number =>
    spawnSync("apt-get", args, { stdio: ["ignore", "inherit", "inherit"], env }).status ?? 1;
  const install = (): number => apt("install", "--yes", "--no-install-recommends", "-qq", ...missing);
  // The lists may be older than the packages that they name.
  process.exitCode = install() === 0 ? 0 : apt("update", "-qq") || install();
}
