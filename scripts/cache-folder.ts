import { homedir } from "node:os";
import { join } from "node:path";

/** Where built and downloaded things are kept between runs: `flux-operator` in $XDG_CACHE_HOME, else in ~/.cache. */
export function cacheFolder(): string {
  const caches = process.env["XDG_CACHE_HOME"];
  return join(caches === undefined || caches === "" ? join(homedir(), ".cache") : caches, "flux-operator");
}
