import { generateKeyPairSync, randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject, JsonValue } from "../../src/kube/object.ts";
import { goTool } from "../go-tool.ts";
import { auditPolicy } from "./audit.ts";
import type { Binaries } from "./binaries.ts";
import { createAuthority, issueCertificate, type KeyPair } from "./certificates.ts";
import { componentsOf, files, serverAddress } from "./components.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { hasCode, isAlive } from "./lock.ts";
import { hasEnded, killChild, logTail, startChild, type Child } from "./processes.ts";
import { addresses, nodeName } from "./node/addresses.ts";
import { nodeCredentials } from "./node/files.ts";
import { linkDown, linkUp } from "./node/network.ts";
import { startNodeProcess } from "./node/node-process.ts";
import { pushNodeImages, startNodeRegistry, untilNodeServes } from "./node/services.ts";
import { createRest, RestError, type Rest } from "./rest.ts";
import { provisioner, stagesYaml, storageClassName } from "./stages.ts";
import type { Variant } from "./versions.ts";

export type SupervisorOrder = {
  readonly variant: Variant;
  /** How many etcds there are. */
  readonly etcds: number;
  readonly binaries: Binaries;
  /** Folder in which the cluster's folder is made. */
  readonly temporaryFolder: string;
  readonly startTimeoutMs: number;
};

export type SupervisorEvent =
  | { readonly kind: "folder"; readonly folder: string }
  | { readonly kind: "ready"; readonly server: string; readonly caPem: string; readonly token: string }
  | { readonly kind: "failed"; readonly message: string };

const folderPrefix = "flux-operator-cluster-";
const bindAttempts = 5;
const pollMs = 25;

/** Users of the components' client certificates, as kubeadm names them; kwok plays the kubelet of every node. */
const componentUsers = {
  "kube-controller-manager": { user: "system:kube-controller-manager", groups: [] },
  "kube-scheduler": { user: "system:kube-scheduler", groups: [] },
  kwok: { user: "kwok", groups: ["system:masters"] },
} as const;

/** One cluster: its folder and its processes. Disposing kills and removes them. */
export class Cluster implements AsyncDisposable {
  readonly #order: SupervisorOrder;
  readonly #report: (event: SupervisorEvent) => void;
  readonly #children = new Map<string, Child>();
  #folder: string | undefined;
  #started: Promise<void> | undefined;
  #ready = false;
  /** What is left to undo once all children have ended. */
  #cleanUp: (() => Promise<void>) | undefined;
  readonly #disposal = new AbortController();

  constructor(order: SupervisorOrder, report: (event: SupervisorEvent) => void) {
    this.#order = order;
    this.#report = report;
  }

  /** Resolves when the cluster is ready or has failed to become so, either of which is reported. */
  start(): Promise<void> {
    this.#started = this.#start();
    return this.#started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposal.abort();
    await this.#started;
    await Promise.all(this.#children.values().map(killChild));
    await this.#cleanUp?.();
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  async #start(): Promise<void> {
    try {
      const timeout = AbortSignal.timeout(this.#order.startTimeoutMs);
      const signal = AbortSignal.any([timeout, this.#disposal.signal]);
      await removeStaleFolders(this.#order.temporaryFolder);
      this.#folder = await mkdtemp(join(this.#order.temporaryFolder, `${folderPrefix}${process.pid}-`));
      this.#report({ kind: "folder", folder: this.#folder });
      this.#report(await this.#startIn(this.#folder, signal));
    } catch (error) {
      if (!this.#disposal.signal.aborted)
        this.#report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
    }
  }

  async #startIn(folder: string, signal: AbortSignal): Promise<SupervisorEvent> {
    const authority = createAuthority("flux-operator local cluster");
    const token = randomBytes(24).toString("hex");
    const { variant } = this.#order;
    await writeCredentials(folder, authority, token);
    if (variant === "node") {
      await linkUp();
      this.#cleanUp = linkDown;
    }
    const server = await this.#startServer(folder, { caPem: authority.certPem, token, signal });
    await writeKubeconfigs(folder, { server, authority, token });
    if (variant !== "light") {
      await using rest = createRest({ server, caPem: authority.certPem, token });
      this.#startAll(folder, 1, 0);
      const prepared =
        variant === "full" ? prepareNode(rest, signal) : this.#startNode(folder, authority, { server, rest, signal });
      await this.#unlessDead(prepared, "Ready node", signal);
    }
    this.#ready = true;
    return { kind: "ready", server, caPem: authority.certPem, token };
  }

  /** The registry with the images that the node itself needs, the node, and the cluster's DNS on it. */
  async #startNode(folder: string, authority: KeyPair, { server, rest, signal }: NodeAccess): Promise<void> {
    await writeNodeCredentials(folder, authority, server);
    this.#keep(startNodeRegistry(folder, await goTool("registry", signal)));
    await pushNodeImages(signal);
    const binaries = dirname(this.#order.binaries.kubelet);
    this.#keep(await startNodeProcess({ plane: folder, binaries }, signal));
    await untilNodeServes(rest, signal);
  }

  #keep(child: Child): void {
    this.#children.set(child.name, child);
    child.process.once("exit", () => void this.#reportDeath(child));
  }

  /** etcd and the API server; another port when somebody took the first meanwhile. */
  async #startServer(folder: string, access: Access): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      const host = serverAddress(this.#order.variant);
      const port = await freePort(host);
      const server = `https://${host}:${port}`;
      this.#startAll(folder, 0, port);
      await using rest = createRest({ server, ...access });
      try {
        await this.#unlessDead(untilReady(rest, access.signal), "API server that is ready", access.signal);
        return server;
      } catch (error) {
        if (attempt === bindAttempts || !(await this.#lostPort())) throw error;
      }
    }
  }

  #startAll(folder: string, order: 0 | 1, port: number): void {
    if (this.#disposal.signal.aborted) return;
    for (const { name, program, args } of componentsOf(this.#order, port).filter(
      (component) => component.order === order,
    )) {
      const running = this.#children.get(name);
      if (running !== undefined && !hasEnded(running.process)) continue;
      this.#keep(startChild(folder, { name, path: this.#order.binaries[program], args }));
    }
  }

  /** Rejects as soon as a component ends or the time is over, with the last lines of what the slowest component said. */
  async #unlessDead(work: Promise<void>, awaited: string, signal: AbortSignal): Promise<void> {
    const ended = this.#children.values().map(async (child) => {
      await endOf(child);
      throw new Error(`Cannot start the cluster: ${await describeEnd(child)}`);
    });
    try {
      await Promise.race([work, ...ended]);
    } catch (error) {
      if (!signal.aborted) throw error;
      const tails = await Promise.all(this.#children.values().map(describeTail));
      throw new Error(
        `Cannot start the cluster: no ${awaited} within ${this.#order.startTimeoutMs} ms\n${tails.join("\n")}`,
        {
          cause: error,
        },
      );
    }
  }

  async #lostPort(): Promise<boolean> {
    const server = this.#children.get("kube-apiserver");
    if (server === undefined || !hasEnded(server.process)) return false;
    return (await logTail(server.logPath, 50)).includes("address already in use");
  }

  async #reportDeath(child: Child): Promise<void> {
    if (!this.#ready) return;
    const message = await describeEnd(child);
    if (!this.#disposal.signal.aborted) this.#report({ kind: "failed", message });
  }
}

type NodeAccess = { readonly server: string; readonly rest: Rest; readonly signal: AbortSignal };
type Access = { readonly caPem: string; readonly token: string; readonly signal: AbortSignal };

async function writeCredentials(folder: string, authority: KeyPair, token: string): Promise<void> {
  const server = issueCertificate(authority, {
    kind: "server",
    commonName: "kube-apiserver",
    names: [
      "localhost",
      "127.0.0.1",
      addresses.host,
      addresses.service,
      "kubernetes",
      "kubernetes.default",
      "kubernetes.default.svc",
    ],
  });
  const toKubelet = issueCertificate(authority, {
    kind: "client",
    commonName: "kube-apiserver-kubelet-client",
    organisations: ["system:masters"],
  });
  const accounts = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  await writePrivate(folder, {
    [files.caCert]: authority.certPem,
    [files.caKey]: authority.keyPem,
    [files.serverCert]: server.certPem,
    [files.serverKey]: server.keyPem,
    [files.kubeletClientCert]: toKubelet.certPem,
    [files.kubeletClientKey]: toKubelet.keyPem,
    [files.accountKey]: accounts.privateKey,
    [files.accountPublicKey]: accounts.publicKey,
    [files.tokens]: `${token},admin,admin,"system:masters"\n`,
    [files.auditPolicy]: JSON.stringify(auditPolicy),
    [files.stages]: stagesYaml(),
  });
}

type Identity = { readonly server: string; readonly authority: KeyPair; readonly token: string };

async function writeKubeconfigs(folder: string, { server, authority, token }: Identity): Promise<void> {
  const components = Object.entries(componentUsers).map(([name, { user, groups }]) => {
    const pair = issueCertificate(authority, { kind: "client", commonName: user, organisations: groups });
    return [`${name}.kubeconfig`, kubeconfig(server, authority.certPem, { kind: "certificate", pair })];
  });
  const admin = kubeconfig(server, authority.certPem, { kind: "token", token });
  await writePrivate(folder, { ...Object.fromEntries(components), [files.admin]: admin });
}

async function writeNodeCredentials(folder: string, authority: KeyPair, server: string): Promise<void> {
  const serving = issueCertificate(authority, {
    kind: "server",
    commonName: nodeName,
    names: [nodeName, addresses.node],
  });
  const client = (commonName: string, organisations: readonly string[]): KeyPair =>
    issueCertificate(authority, { kind: "client", commonName, organisations });
  const as = (pair: KeyPair): string => kubeconfig(server, authority.certPem, { kind: "certificate", pair });
  await writePrivate(folder, {
    [nodeCredentials.servingCert]: serving.certPem,
    [nodeCredentials.servingKey]: serving.keyPem,
    [nodeCredentials.kubelet]: as(client(`system:node:${nodeName}`, ["system:nodes"])),
    [nodeCredentials.proxy]: as(client("system:kube-proxy", [])),
  });
}

async function writePrivate(folder: string, contents: Readonly<Record<string, string>>): Promise<void> {
  await Promise.all(
    Object.entries(contents).map(([name, text]) => writeFile(join(folder, name), text, { mode: 0o600 })),
  );
}

/** A port below the usual ephemeral range, so that no outgoing connection takes it before the API server does. */
async function freePort(host: string): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000);
    if (await isFree(port, host)) return port;
  }
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}

/** Also while nothing listens there yet. */
export async function untilReady(rest: Rest, signal: AbortSignal): Promise<void> {
  await until(async () => (await rest.request("GET", "/readyz", { signal })).status === 200, signal);
}

/** Creates the default StorageClass and one node, and waits until pods can be scheduled and have a service account. */
async function prepareNode(rest: Rest, signal: AbortSignal): Promise<void> {
  const version = await rest.get("/version", signal);
  await rest.create("/apis/storage.k8s.io/v1/storageclasses", standardClass, signal);
  await rest.create("/api/v1/nodes", nodeObject(version["gitVersion"] ?? ""), signal);
  await until(async () => {
    const node = await rest.get("/api/v1/nodes/node-1", signal);
    return (
      isSchedulable(node["spec"]) && (await exists(rest, "/api/v1/namespaces/default/serviceaccounts/default", signal))
    );
  }, signal);
}

function isSchedulable(spec: unknown): boolean {
  return typeof spec === "object" && spec !== null && !("taints" in spec);
}

async function exists(rest: Rest, path: string, signal: AbortSignal): Promise<boolean> {
  return (await rest.request("GET", path, { signal })).status === 200;
}

/** Polls; an API server that cannot be reached yet counts as "not yet", as its exit is noticed elsewhere. */
async function until(isDone: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  for (;;) {
    const done = await isDone().catch((error: unknown) => {
      if (error instanceof RestError) throw error;
      signal.throwIfAborted();
      return false;
    });
    if (done) return;
    await sleep(pollMs, undefined, { signal });
  }
}

const standardClass = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: { name: storageClassName, annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
  provisioner,
  reclaimPolicy: "Delete",
  volumeBindingMode: "WaitForFirstConsumer",
};

function nodeObject(kubeletVersion: JsonValue): JsonObject {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: "node-1",
      labels: { "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": "node-1" },
      annotations: { "kwok.flux-operator.test/kubelet-version": kubeletVersion },
    },
  };
}

async function endOf({ process }: Child): Promise<void> {
  if (!hasEnded(process) && process.pid !== undefined) await once(process, "exit");
}

async function describeEnd({ name, process, logPath }: Child): Promise<string> {
  const how =
    process.pid === undefined
      ? "could not be executed"
      : `ended (${process.signalCode ?? `exit code ${process.exitCode}`})`;
  return `${name} ${how}, its last lines:\n${await logTail(logPath, 15)}`;
}

async function describeTail({ name, logPath }: Child): Promise<string> {
  return `--- last lines of ${name}:\n${await logTail(logPath, 8)}`;
}

/** Folders of ours whose supervisor was killed together with its owner: nobody else removes them. */
async function removeStaleFolders(parent: string): Promise<void> {
  const names = (await readdir(parent)).filter((name) => name.startsWith(folderPrefix));
  await Promise.all(
    names.map(async (name) => {
      const supervisor = Number(name.slice(folderPrefix.length).split("-")[0]);
      const folder = join(parent, name);
      if ((await isAlive(supervisor)) || !(await isOurs(folder))) return;
      await rm(folder, { recursive: true, force: true });
    }),
  );
}

async function isOurs(folder: string): Promise<boolean> {
  try {
    return (await stat(folder)).uid === process.getuid?.();
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}
