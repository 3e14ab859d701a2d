import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { TestClock } from "../../test/support/test-clock.ts";
import type { Connection } from "./connection.ts";
import { loadConnection } from "./load-connection.ts";

let dir = "";
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "connection-"));
});
after(() => rm(dir, { recursive: true }));

const base64 = (text: string): string => Buffer.from(text).toString("base64");

function kubeconfig(user: object, cluster: object = {}): string {
  return JSON.stringify({
    "current-context": "one",
    contexts: [
      { name: "one", context: { cluster: "c", user: "u", namespace: "apps" } },
      { name: "broken", context: { cluster: "absent", user: "u" } },
    ],
    clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:6443", ...cluster } }],
    users: [{ name: "u", user }],
  });
}

async function write(name: string, content: string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, content);
  return path;
}

async function load(path: string, context?: string): Promise<Connection> {
  return await loadConnection({
    kubeconfig: path,
    clock: new TestClock(),
    env: {},
    ...(context === undefined ? {} : { context }),
  });
}

async function summary(connection: Connection): Promise<object> {
  const { server, namespace } = connection;
  return { server, namespace, tls: await connection.tls(), authorization: await connection.authorization(false) };
}

const at = { server: "https://127.0.0.1:6443", namespace: "apps" };

for (const { name, user, cluster, want } of [
  {
    name: "certificates given inline",
    user: { "client-certificate-data": base64("CERT"), "client-key-data": base64("KEY") },
    cluster: { "certificate-authority-data": base64("CA"), "tls-server-name": "kube" },
    want: {
      ...at,
      tls: { ca: "CA", cert: "CERT", key: "KEY", serverName: "kube", insecure: false },
      authorization: undefined,
    },
  },
  {
    name: "files beside it, and no verification if so told",
    user: { tokenFile: "token" },
    cluster: { "insecure-skip-tls-verify": true },
    want: { ...at, tls: { insecure: true }, authorization: "Bearer from-file" },
  },
  {
    name: "a token",
    user: { token: "t" },
    cluster: {},
    want: { ...at, tls: { insecure: false }, authorization: "Bearer t" },
  },
  {
    name: "a password",
    user: { username: "u", password: "p" },
    cluster: {},
    want: { ...at, tls: { insecure: false }, authorization: `Basic ${base64("u:p")}` },
  },
]) {
  test(`loadConnection() reads from a kubeconfig ${name}`, async () => {
    await write("token", "from-file\n");
    assert.deepEqual(await summary(await load(await write("config", kubeconfig(user, cluster)))), want);
  });
}

test("loadConnection() lets the first of several kubeconfigs win, as kubectl does", async () => {
  const first = await write("first", kubeconfig({ token: "first" }));
  const second = await write("second", kubeconfig({ token: "second" }));
  assert.equal(await (await load(`${first}:${second}`)).authorization(false), "Bearer first");
});

test("loadConnection() runs an exec plugin, tells it of the cluster, and runs it again when a fresh login is wanted", async () => {
  const plugin = await write(
    "plugin",
    `#!/bin/sh
count=$(cat "${dir}/count" 2>/dev/null || echo 0); echo $((count + 1)) > "${dir}/count"
case "$KUBERNETES_EXEC_INFO" in *127.0.0.1:6443*) ;; *) exit 3;; esac
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s-%s"}}' "$1" "$count"
`,
  );
  await chmod(plugin, 0o755);
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: plugin,
    args: ["token"],
    provideClusterInfo: true,
  };
  const connection = await load(await write("exec", kubeconfig({ exec })));
  const tokens = [false, false, true].map((fresh) => () => connection.authorization(fresh));
  const got: (string | undefined)[] = [];
  for (const token of tokens) got.push(await token());
  assert.deepEqual(got, ["Bearer token-0", "Bearer token-0", "Bearer token-1"]);
});

for (const { name, content, context, error } of [
  {
    name: "a context that is not there",
    content: kubeconfig({}),
    context: "two",
    error: /Cannot find "two", a context in .*: there are one, broken/,
  },
  {
    name: "a context whose cluster is not there",
    content: kubeconfig({}),
    context: "broken",
    error: /Cannot find "absent", a cluster in /,
  },
  {
    name: "text that is no YAML",
    content: "a: b: c",
    context: undefined,
    error: /^ConnectionConfigError: Cannot read /,
  },
  { name: "a list", content: "[]", context: undefined, error: /it is no kubeconfig/ },
  {
    name: "a proxy",
    content: kubeconfig({}, { "proxy-url": "http://p" }),
    context: undefined,
    error: /proxy-url of cluster c is not supported/,
  },
]) {
  test(`loadConnection() refuses ${name}`, async () => {
    await assert.rejects(load(await write("bad", content), context), error);
  });
}

test("loadConnection() refuses to guess where there is nothing", async () => {
  const clock = new TestClock();
  await assert.rejects(loadConnection({ clock, env: {} }), /set KUBECONFIG or pass --kubeconfig/);
  await assert.rejects(loadConnection({ clock, env: { HOME: dir } }), /\.kube\/config: there is no such file/);
});

test("loadConnection() uses the service account of the Pod, reads its token once a minute or when fresh is wanted", async () => {
  const serviceAccountDir = join(dir, "serviceaccount");
  await mkdir(serviceAccountDir);
  const put = (name: string, text: string): Promise<void> => writeFile(join(serviceAccountDir, name), text);
  await Promise.all([put("token", "one"), put("ca.crt", "CA"), put("namespace", "flux-system\n")]);
  const clock = new TestClock();
  const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
  const connection = await loadConnection({ clock, env, serviceAccountDir });
  assert.deepEqual(await summary(connection), {
    server: "https://[fd00::1]:443",
    namespace: "flux-system",
    tls: { ca: "CA", insecure: false },
    authorization: "Bearer one",
  });
  await put("token", "two");
  assert.equal(await connection.authorization(false), "Bearer one");
  assert.equal(await connection.authorization(true), "Bearer two");
  await put("token", "three");
  await clock.advance(60_000);
  assert.equal(await connection.authorization(false), "Bearer three");
});
