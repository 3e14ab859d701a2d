import { setFlagsFromString } from "node:v8";
import { OpensslConfigError, takeOpensslConfig } from "../client/openssl-config.ts";
import { createLogger } from "../runtime/log.ts";
import { errorMessage } from "../std/errors.ts";
import { operatorVersion } from "../std/version.ts";
import { ConfigError, readProcessConfig } from "./config.ts";
import { requireFips } from "./fips.ts";
import { runOperator } from "./wire.ts";

// What the optimizing compilers need stays resident, 10 MB of it, and a reconcile is over before they have won its CPU time back.
for (const flag of ["--no-opt", "--no-maglev", "--optimize-for-size"]) setFlagsFromString(flag);
// Without this, one stop in fifty never ended: Node waited for a compiler's thread, and that for a garbage collection by us (nodejs/node#54918).
setFlagsFromString("--no-concurrent-sparkplug");

try {
  await main();
  // Node 26.10 was seen to spin for ever in its own clean-up of handles. Everything that must be done before the end is done.
  process.exit();
} catch (error) {
  if (!(error instanceof ConfigError) && !(error instanceof OpensslConfigError)) throw error;
  console.error(`flux-operator: ${error.message}`);
  process.exit(2);
}

async function main(): Promise<void> {
  const { config, ignored } = readProcessConfig();
  takeOpensslConfig(config.env);
  const fips = config.fips === "required" ? requireFips(config.env) : undefined;
  const log = createLogger({ level: config.logLevel, encoding: config.logEncoding });
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => stop.abort(new Error(`received ${name}`)));
  }
  log.info("Starting the operator", { version: operatorVersion, node: process.version, namespace: config.namespace });
  if (fips !== undefined) log.info("OpenSSL's FIPS provider has passed the self-test", fips);
  if (ignored.length > 0) {
    const given = ignored.map(({ name, why }) => `${name}: ${why}`);
    log.info("These flags and variables have no effect in this operator", { ignored: given });
  }
  try {
    await runOperator(config, log, stop.signal);
    log.info("Stopped");
  } catch (error) {
    log.error(`Cannot run: ${errorMessage(error)}`, { error });
    process.exit(1);
  }
}
