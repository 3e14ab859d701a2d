import type { RunConfig } from "./layout.ts";
import { userId } from "./root-files.ts";

/**
 * How the operator starts. V8 reads the first two before any of our code runs: a small young generation saves memory, and the old one takes three
 * quarters of the container's limit, by cgroup v1 or v2. Certificates are those in SSL_CERT_FILE, as programs in Go have it.
 * What OPENSSL_CONF names is tried first (src/client/openssl-config.ts).
 */
export const operatorRun: RunConfig = {
  User: `${userId}:${userId}`,
  Entrypoint: [
    "/nodejs/bin/node",
    "--max-semi-space-size=1",
    "--max-old-space-size-percentage=75",
    "--use-openssl-ca",
    "--openssl-config=/dev/null",
    "/app/operator.mjs",
  ],
  Env: ["PATH=/nodejs/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", "HOME=/tmp"],
  WorkingDir: "/",
  ExposedPorts: { "8080/tcp": {}, "8081/tcp": {} },
};
