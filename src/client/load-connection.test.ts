import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inspect } from "node:util";
import { TestClock } from "../../test/support/test-clock.ts";
import { ConnectionConfigError, type Connection } from "./connection.ts";
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

test("loadConnection() runs the exec plugin once for all who ask meanwhile", async () => {
  const plugin = await write(
    "slow-plugin",
    `#!/bin/sh
echo run >> "${dir}/runs"
printf '{"kind":"ExecCredential","status":{"token":"t","expirationTimestamp":"1970-01-01T00:01:00Z"}}'
`,
  );
  await chmod(plugin, 0o755);
  const clock = new TestClock();
  const path = await write("exec", kubeconfig({ exec: { command: plugin } }));
  const connection = await loadConnection({ kubeconfig: path, clock, env: process.env });
  const runs = async (): Promise<number> => (await readFile(join(dir, "runs"), "utf8")).length / "run\n".length;
  const counts: number[] = [];
  for (const fresh of [false, false, true]) {
    await Promise.all([...Array(8).keys()].flatMap(() => [connection.authorization(fresh), connection.tls()]));
    counts.push(await runs());
  }
  await clock.advance(60_000);
  await connection.authorization(false);
  counts.push(await runs());
  assert.deepEqual(counts, [1, 1, 2, 3]);
});

const secret = "eyJhbGciOiJSUzI1NiJ9";
for (const { name, script, error } of [
  {
    name: "answers with something else",
    script: `echo "token: ${secret}"`,
    error: "did not answer with an ExecCredential in JSON that has a status",
  },
  {
    name: "answers with half a token",
    script: `printf '{"status":{"token":"${secret}'`,
    error: "did not answer with an ExecCredential in JSON that has a status",
  },
  { name: "fails", script: `echo "${secret}"; exit 3`, error: "ended with 3; its own messages say why" },
  { name: "is not there", script: undefined, error: "is not installed: get it from example.com" },
]) {
  test(`loadConnection() quotes nothing of an exec plugin that ${name}`, async () => {
    const command = script === undefined ? join(dir, "absent") : await write("bad-plugin", `#!/bin/sh\n${script}\n`);
    if (script !== undefined) await chmod(command, 0o755);
    const exec = { command, installHint: "get it from example.com" };
    const connection = await load(await write("exec", kubeconfig({ exec })));
    const message = `Cannot log in as user u of the kubeconfig: ${command} ${error}`;
    const thrown = await connection.authorization(false).catch((caught: unknown) => caught);
    assert.ok(thrown instanceof ConnectionConfigError);
    assert.deepEqual([thrown.message, inspect(thrown).includes(secret)], [message, false]);
  });
}

test("loadConnection() acts as whom the user of a kubeconfig says", async () => {
  const extra = { "Example.com/a%b": ["1", "2"] };
  const user = { token: "t", as: "jane", "as-uid": "4", "as-groups": ["a", "b"], "as-user-extra": extra };
  assert.deepEqual((await load(await write("config", kubeconfig(user)))).headers, {
    "Impersonate-User": "jane",
    "Impersonate-Uid": "4",
    "Impersonate-Group": ["a", "b"],
    "Impersonate-Extra-example.com%2Fa%25b": ["1", "2"],
  });
});

for (const { name, content, context, error } of [
  {
    name: "groups without a user to act as",
    content: kubeconfig({ token: "t", "as-groups": ["a"] }),
    context: undefined,
    error:
      /Cannot use user u of .*bad: as-uid, as-groups and as-user-extra mean nothing without as; set as, or remove them$/,
  },
  {
    name: "groups that are no list",
    content: kubeconfig({ token: "t", as: "jane", "as-groups": "a" }),
    context: undefined,
    error: /as-groups is no list of texts/,
  },
  {
    name: "extras that are no lists",
    content: kubeconfig({ token: "t", as: "jane", "as-user-extra": { a: "b" } }),
    context: undefined,
    error: /a is no list of texts/,
  },
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
