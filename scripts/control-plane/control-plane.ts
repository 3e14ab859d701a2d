import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { openAuditLog, type AuditEvent } from "./audit.ts";
import { provideBinaries, type Binaries } from "./binaries.ts";
import { issueCertificate } from "./certificates.ts";
import type { SupervisorEvent, SupervisorOrder } from "./cluster.ts";
import { files } from "./components.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { cleanEnvironment } from "./processes.ts";
import { provideNodePrograms } from "./node/services.ts";
import { lineProgress, terminalProgress } from "./progress.ts";
import { resetCluster, takeBaseline } from "./reset.ts";
import { createRest, type Rest } from "./rest.ts";
import type { Variant } from "./versions.ts";

export type ControlPlaneOptions = {
  readonly variant: Variant;
  /** How many etcds there are: 1 by default. */
  readonly etcds?: number;
  /** Aborts the start (what has started is stopped again) and, later, stops the cluster. */
  readonly signal?: AbortSignal;
  /** Gets the lines about long steps (download, build). Default: stderr, with a live line on a terminal. */
  readonly progress?: (line: string) => void;
};

/** A user as a client certificate names it: `user` is the common name, `groups` the organisations. */
export type ClusterUser = { readonly user: string; readonly groups?: readonly string[] };

/** One running cluster. It dies with the process that started it, whichever way that ends. */
export type ControlPlane = AsyncDisposable & {
  readonly variant: Variant;
  /** `https://127.0.0.1:<port>`, certificate signed by `caPem`. */
  readonly server: string;
  /** PEM of the cluster's certificate authority. */
  readonly caPem: string;
  /** Bearer token of user `admin`, group `system:masters`. */
  readonly token: string;
  /** A kubeconfig of that admin, file mode 0600. */
  readonly kubeconfigPath: string;
  /** Temporary folder of the cluster: kubeconfig, logs, audit log, etcd data. Gone after stop(). */
  readonly folder: string;
  /** JSON lines, audit.k8s.io/v1 Event, level Metadata, stage ResponseComplete (for watches: also ResponseStarted). */
  readonly auditLogPath: string;
  /** Paths of the binaries; `binaries.kubectl` has the API server's version. */
  readonly binaries: Binaries;
  /** Small JSON client with the admin's token, for what a test prepares or checks. */
  readonly rest: Rest;
  /** Reads the audit log. Every request that was answered before this call is there. */
  auditEvents(): Promise<readonly AuditEvent[]>;
  /** Writes a kubeconfig whose client certificate names that user, and returns its path. RBAC applies; there are no bindings yet. */
  kubeconfigFor(user: ClusterUser): Promise<string>;
  /** Bearer token (TokenRequest, 1 hour) of an existing service account. */
  serviceAccountToken(account: { readonly namespace: string; readonly name: string }): Promise<string>;
  /** Deletes whatever was made since the start, so that the next test finds the cluster as new. */
  reset(signal?: AbortSignal): Promise<void>;
  /** Ends all processes and removes the folder. Idempotent. */
  stop(): Promise<void>;
};

const startTimeoutMs = 120_000;

/** Provides what the cluster runs (long on a fresh machine, see provideBinaries) and starts a cluster of its own in a few seconds. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { variant, etcds = 1, signal } = options;
  signal?.throwIfAborted();
  const progress = options.progress === undefined ? terminalProgress(process.stderr) : lineProgress(options.progress);
  const binaries = await provideBinaries({
    variant,
    progress,
    assetsFolder: process.env["KUBEBUILDER_ASSETS"],
    ...(signal === undefined ? {} : { signal }),
  });
  if (variant === "node") await provideNodePrograms(progress, signal ?? new AbortController().signal);
  const supervisor = startSupervisor({ variant, etcds, binaries, temporaryFolder: tmpdir(), startTimeoutMs });
  const abort = (): void => void supervisor.stop();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const ready = await supervisor.ready;
    return await describeCluster({ variant, binaries, supervisor, ...ready });
  } catch (error) {
    await supervisor.stop();
    signal?.throwIfAborted();
    throw error;
  }
}

type Ready = { readonly folder: string; readonly server: string; readonly caPem: string; readonly token: string };
type Supervisor = { readonly ready: Promise<Ready>; stop(): Promise<void> };
type Running = Ready & { readonly variant: Variant; readonly binaries: Binaries; readonly supervisor: Supervisor };

async function describeCluster({
  variant,
  binaries,
  supervisor,
  folder,
  server,
  caPem,
  token,
}: Running): Promise<ControlPlane> {
  const rest = createRest({ server, caPem, token });
  const baseline = await takeBaseline(rest);
  const auditLogPath = join(folder, files.auditLog);
  const auditLog = openAuditLog(rest, auditLogPath);
  const stop = async (): Promise<void> => {
    await rest[Symbol.asyncDispose]();
    await supervisor.stop();
  };
  return {
    variant,
    server,
    caPem,
    token,
    folder,
    auditLogPath,
    binaries,
    rest,
    kubeconfigPath: join(folder, files.admin),
    auditEvents: () => auditLog.settled(),
    kubeconfigFor: (user) => writeUserKubeconfig(folder, server, user),
    serviceAccountToken: (account) => requestToken(rest, account),
    reset: (signal) => resetCluster(rest, { variant, baseline, ...(signal === undefined ? {} : { signal }) }),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** A session of its own, so that what kills our process group (Ctrl-C, a test runner) leaves it alive to clean up. */
function startSupervisor(order: SupervisorOrder): Supervisor {
  const child = spawn(process.execPath, [join(import.meta.dirname, "supervisor.ts")], {
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
    env: cleanEnvironment(),
  });
  const ended = once(child, "exit");
  child.stdin.on("error", () => undefined);
  child.stdin.write(`${JSON.stringify(order)}\n`);
  const { ready, folder } = listen(child, ended);
  return {
    ready: ready.finally(() => unreference(child)),
    stop: async () => {
      child.ref();
      child.stdin.end();
      await ended;
      // Removes something only if the supervisor was killed.
      const left = folder();
      if (left !== undefined) await rm(left, { recursive: true, force: true });
    },
  };
}

type SupervisorProcess = ChildProcessByStdio<Writable, Readable, null>;

/** `folder` gives the cluster's folder as soon as it is known. */
type Listening = { readonly ready: Promise<Ready>; readonly folder: () => string | undefined };

function listen(child: SupervisorProcess, ended: Promise<unknown>): Listening {
  let folder: string | undefined;
  let isReady = false;
  const { promise, resolve, reject } = Promise.withResolvers<Ready>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event: SupervisorEvent = JSON.parse(line);
    if (event.kind === "folder") folder = event.folder;
    if (event.kind === "ready")
      resolve({ folder: folder ?? "", server: event.server, caPem: event.caPem, token: event.token });
    if (event.kind === "failed" && isReady) process.stderr.write(`The cluster is broken: ${event.message}\n`);
    if (event.kind === "failed") reject(new Error(event.message));
    isReady ||= event.kind === "ready";
  });
  void ended.then(() => reject(new Error("Cannot start the cluster: its supervisor ended")));
  return { ready: promise, folder: () => folder };
}

/** From here on the cluster does not keep its owner alive: when that has nothing else to do it ends, and the cluster with it. */
function unreference(child: SupervisorProcess): void {
  child.unref();
  for (const stream of [child.stdin, child.stdout])
    if ("unref" in stream && typeof stream.unref === "function") stream.unref();
}

async function writeUserKubeconfig(
  folder: string,
  server: string,
  { user, groups = [] }: ClusterUser,
): Promise<string> {
  const [certPem, keyPem] = await Promise.all(
    [files.caCert, files.caKey].map((name) => readFile(join(folder, name), "utf8")),
  );
  if (certPem === undefined || keyPem === undefined) throw new Error(`Cannot read the authority in ${folder}`);
  const pair = issueCertificate({ certPem, keyPem }, { kind: "client", commonName: user, organisations: groups });
  const path = join(folder, `user-${encodeURIComponent([user, ...groups].join("+"))}.kubeconfig`);
  await writeFile(path, kubeconfig(server, certPem, { kind: "certificate", pair }), { mode: 0o600 });
  return path;
}

async function requestToken(
  rest: Rest,
  account: { readonly namespace: string; readonly name: string },
): Promise<string> {
  const path = `/api/v1/namespaces/${account.namespace}/serviceaccounts/${account.name}/token`;
  const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 3600 } };
  const { status } = await rest.create(path, request);
  if (typeof status === "object" && status !== null && "token" in status && typeof status.token === "string")
    return status.token;
  throw new Error(`Cannot get a token of service account ${account.namespace}/${account.name}: the answer has none`);
}
