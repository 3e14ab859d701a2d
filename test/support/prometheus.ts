import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { dieWithParent } from "../../scripts/control-plane/processes.ts";
import { providePrometheus } from "../../scripts/prometheus.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { isJsonObject } from "../../src/std/json.ts";
import { freePort } from "./flux-process.ts";

const run = promisify(execFile);

/** A row of an answer: labels, and the value as Prometheus writes it. */
export type Sample = { readonly labels: JsonObject; readonly value: string };

/** An alert that is pending or firing. */
export type ActiveAlert = { readonly name: string; readonly labels: JsonObject; readonly annotations: JsonObject };

/** The real Prometheus, which scrapes and judges each second. */
export type PrometheusServer = AsyncDisposable & {
  query(expr: string): Promise<readonly Sample[]>;
  alerts(): Promise<readonly ActiveAlert[]>;
};

export type PrometheusOptions = {
  readonly folder: string;
  /** "127.0.0.1:8080", with the labels that the Prometheus Operator would give it. */
  readonly target: string;
  readonly labels: { readonly [name: string]: string };
  readonly groups: readonly JsonObject[];
};

/** Starts it, and waits until it answers. */
export async function startPrometheus({
  folder,
  target,
  labels,
  groups,
}: PrometheusOptions): Promise<PrometheusServer> {
  const home = join(folder, "prometheus");
  await mkdir(home, { recursive: true });
  // JSON is YAML.
  await writeFile(join(home, "rules.yaml"), JSON.stringify({ groups }));
  const config = {
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: ["rules.yaml"],
    scrape_configs: [{ job_name: "flux-operator", static_configs: [{ targets: [target], labels }] }],
  };
  await writeFile(join(home, "prometheus.yaml"), JSON.stringify(config));
  const address = `127.0.0.1:${await freePort()}`;
  const { path, args } = dieWithParent({
    path: (await providePrometheus()).prometheus,
    args: [
      `--config.file=${join(home, "prometheus.yaml")}`,
      `--storage.tsdb.path=${join(home, "data")}`,
      `--web.listen-address=${address}`,
    ],
  });
  const server = spawn(path, args, { stdio: ["ignore", "ignore", "pipe"] });
  const said: Buffer[] = [];
  server.stderr.on("data", (chunk: Buffer) => said.push(chunk));
  const exited = once(server, "exit");
  await untilReady(address, () => Buffer.concat(said).toString("utf8").slice(-2_000));
  const ask = async (request: string): Promise<JsonObject> => {
    const answer: unknown = await (await fetch(`http://${address}/api/v1/${request}`)).json();
    if (!isJsonObject(answer) || answer["status"] !== "success")
      throw new Error(`Prometheus answers ${request} with ${JSON.stringify(answer)}`);
    return fieldsOf(answer["data"]);
  };
  return {
    query: async (expr) => {
      const { result } = await ask(`query?${new URLSearchParams({ query: expr }).toString()}`);
      return listOf(result)
        .map(fieldsOf)
        .map(({ metric, value }) => ({ labels: fieldsOf(metric), value: textOf(listOf(value)[1]) }));
    },
    alerts: async () =>
      listOf((await ask("alerts"))["alerts"])
        .map(fieldsOf)
        .map(({ labels: own, annotations }) => ({
          name: textOf(fieldsOf(own)["alertname"]),
          labels: fieldsOf(own),
          annotations: fieldsOf(annotations),
        })),
    [Symbol.asyncDispose]: async () => {
      server.kill("SIGKILL");
      await exited;
    },
  };
}

async function untilReady(address: string, said: () => string): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  const isReady = async (): Promise<boolean> => (await fetch(`http://${address}/-/ready`)).ok;
  while (!(await isReady().catch(() => false))) {
    if (deadline.aborted) throw new Error(`Prometheus did not start within a minute:\n${said()}`);
    await systemClock.sleep(50, deadline).catch(() => undefined);
  }
}

/** Runs `promtool` with files of that content in `folder`; throws with all that it says when it finds something wrong. */
export async function promtool(
  folder: string,
  args: readonly string[],
  files: { readonly [name: string]: JsonObject },
): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), JSON.stringify(content));
  const { promtool: program } = await providePrometheus();
  const { stdout, stderr } = await run(program, args, { cwd: folder }).catch((error: unknown) => {
    const { stdout: out, stderr: more } = fieldsOf(error as JsonObject);
    throw new Error(`promtool ${args.join(" ")}:\n${textOf(out)}${textOf(more)}`, { cause: error });
  });
  return stdout + stderr;
}
