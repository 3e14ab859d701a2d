import { answerHealth, readyChecks, watchIsAlive } from "../runtime/health.ts";
import { createHttpServer, type HttpAnswer, type HttpServer } from "../runtime/http-server.ts";
import type { Informer } from "../runtime/informer.ts";
import type { LeaderElection } from "../runtime/leader-election.ts";
import type { Logger } from "../runtime/log.ts";
import type { Runnable } from "../runtime/manager.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { Config } from "./config.ts";

/** What the probes look at. `election` is undefined when this process leads without a lease. */
export type ProbedParts = {
  readonly config: Pick<Config, "metricsAddr" | "healthAddr">;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, "scrape">;
  readonly election: LeaderElection | undefined;
  /** Those that run as long as this process leads. */
  readonly informers: readonly Informer[];
  /** Those that run while their kind is served. */
  readonly followed: { readonly informers: readonly Informer[] };
};

/** The server of the metrics and that of the probes. */
export function probesAndMetrics(parts: ProbedParts): readonly Runnable[] {
  const { config, log, metrics, election, informers, followed } = parts;
  const scrape = async (): Promise<HttpAnswer> => ({ status: 200, ...(await metrics.scrape()) });
  const probes = {
    "/healthz": () =>
      answerHealth([...informers, ...followed.informers].filter(({ hasSynced: synced }) => synced).map(watchIsAlive)),
    "/readyz": () => answerHealth(readyChecks(election, informers, followed.informers)),
  };
  const metricsServer = createHttpServer({
    name: "metrics",
    address: config.metricsAddr,
    routes: { "/metrics": scrape },
    log,
  });
  const healthServer = createHttpServer({ name: "health", address: config.healthAddr, routes: probes, log });
  return [serverRunnable("metrics server", metricsServer), serverRunnable("health server", healthServer)];
}

function serverRunnable(name: string, server: HttpServer): Runnable {
  return { name, run: (signal) => server.run(signal), ready: async () => void (await server.listening()) };
}
