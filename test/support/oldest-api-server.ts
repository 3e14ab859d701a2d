import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { provideBinaries } from "../../scripts/control-plane/binaries.ts";
import { createAuthority, issueCertificate } from "../../scripts/control-plane/certificates.ts";
import { componentsOf } from "../../scripts/control-plane/components.ts";
import { kubeconfig } from "../../scripts/control-plane/kubeconfig.ts";
import { dieWithParent, killChild, startChild } from "../../scripts/control-plane/processes.ts";
import { terminalProgress } from "../../scripts/control-plane/progress.ts";
import { createRest, type Rest } from "../../scripts/control-plane/rest.ts";
import { goTool } from "../../scripts/go-tool.ts";

export type OldestApiServer = AsyncDisposable & { readonly rest: Rest };

/**
 * What serves custom resources in a kube-apiserver of the oldest Kubernetes that we support, as a process of its own: of all
 * other kinds, namespaces among them, it knows nothing. The version stands in tools/apiextensions/go.mod.
 */
export async function startOldestApiServer(signal: AbortSignal): Promise<OldestApiServer> {
  await using started = new AsyncDisposableStack();
  const program = await goTool("apiextensions", signal);
  const { etcd } = await provideBinaries({
    variant: "light",
    progress: terminalProgress(process.stderr),
    signal,
    assetsFolder: process.env["KUBEBUILDER_ASSETS"],
  });
  const folder = await mkdtemp(join(tmpdir(), "oldest-"));
  started.defer(() => rm(folder, { recursive: true, force: true }));
  const caPem = await writeFiles(folder);

  // Its etcd listens on a socket in this folder.
  const etcdArgs = componentsOf({ variant: "light", etcds: 1 }, 0).find(({ name }) => name === "etcd")?.args ?? [];
  const storage = startChild(folder, { name: "etcd", path: etcd, args: etcdArgs });
  started.defer(() => killChild(storage));
  const { path, args } = dieWithParent({ path: program, args: serverArgs });
  const server = spawn(path, args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(server, "exit");
  started.defer(async () => {
    server.kill("SIGKILL");
    await exited;
  });
  const rest = createRest({ server: `https://${await addressOf(server.stderr)}`, caPem, token: "none is asked for" });
  started.use(rest);
  await untilReady(rest, signal);
  const running = started.move();
  return { rest, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

const serverArgs = [
  "--etcd-servers=unix://etcd:1",
  "--tls-cert-file=server.crt",
  "--tls-private-key-file=server.key",
  "--kubeconfig=nobody.kubeconfig",
];

/** Gives back the authority of the server's certificate. */
async function writeFiles(folder: string): Promise<string> {
  const authority = createAuthority("oldest API server");
  const names = ["localhost", "127.0.0.1"];
  const server = issueCertificate(authority, { kind: "server", commonName: "apiextensions", names });
  // It insists on a cluster to ask, and has no question.
  const nobody = kubeconfig("https://127.0.0.1:1", authority.certPem, { kind: "token", token: "none" });
  await writeFile(join(folder, "server.crt"), server.certPem);
  await writeFile(join(folder, "server.key"), server.keyPem);
  await writeFile(join(folder, "nobody.kubeconfig"), nobody);
  return authority.certPem;
}

async function addressOf(log: NodeJS.ReadableStream): Promise<string> {
  const said: string[] = [];
  for await (const line of createInterface(log)) {
    said.push(line);
    const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (address === undefined) continue;
    log.resume();
    return address;
  }
  throw new Error(`the API server did not start:\n${said.join("\n")}`);
}

/** Its /readyz waits for the cluster that is not there. */
async function untilReady(rest: Rest, signal: AbortSignal): Promise<void> {
  const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  while ((await rest.request("GET", definitions, { signal })).status !== 200) await sleep(50, undefined, { signal });
}
