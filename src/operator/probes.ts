import { answerHealth, readyChecks, watchIsAlive, type HealthCheck } from "../runtime/health.ts";
import { createHttpServer, type HttpAnswer, type HttpServer } from "../runtime/http-server.ts";
import type { Informer } from "../runtime/informer.ts";
import type { LeaderElection } from "../runtime/leader-election.ts";
import type { Logger } from "../runtime/log.ts";
import type { Runnable } from "../runtime/manager.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { Config } from "./config.ts";
import { fipsFault } from "./fips.ts";

/** What the probes look at. `election` is undefined when this process leads without a lease. */
export type ProbedParts = {
  readonly config: Pick<Config, "metricsAddr" | "healthAddr" | "fips">;
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
    "/healthz": (query: string) => {
      const synced = [...informers, ...followed.informers].filter(({ hasSynced }) => hasSynced);
      return answerHealth(synced.map(watchIsAlive), query);
    },
    "/readyz": (query: string) =>
      answerHealth([...fipsChecks(config.fips), ...readyChecks(election, informers, followed.informers)], query),
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

/** A FIPS provider that fails a test of its own refuses all from then on: no request would leave this process. */
function fipsChecks(fips: Config["fips"]): readonly HealthCheck[] {
  return fips === "required" ? [{ name: "fips", check: fipsFault }] : [];
}

function serverRunnable(name: string, server: HttpServer): Runnable {
  return { name, run: (signal) => server.run(signal), ready: async () => void (await server.listening()) };
}
