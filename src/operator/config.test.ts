import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, readConfig, type Config } from "./config.ts";

const defaults: Config = {
  env: {},
  namespace: "flux-system",
  concurrent: 10,
  metricsAddr: ":8080",
  healthAddr: ":8081",
  logLevel: "info",
  logEncoding: "json",
  minRetryDelayMs: 750,
  maxRetryDelayMs: 900_000,
  intervalJitter: 0.05,
  leaderElection: true,
  overrideManagers: [],
};

for (const { name, argv, env, want } of [
  { name: "has the Go operator's defaults", argv: [], env: {}, want: {} },
  {
    name: "takes the namespace from the environment",
    argv: [],
    env: { RUNTIME_NAMESPACE: "gitops" },
    want: { namespace: "gitops" },
  },
  { name: "takes an empty namespace for none", argv: [], env: { RUNTIME_NAMESPACE: "" }, want: {} },
  {
    name: "reads every flag",
    argv: [
      "--kubeconfig=/tmp/k",
      "--context",
      "kind",
      "--concurrent=4",
      "--metrics-addr=127.0.0.1:0",
      "--health-addr=:0",
      "--log-level=debug",
      "--log-encoding=console",
      "--min-retry-delay=1s",
      "--max-retry-delay=1h30m",
      "--interval-jitter-percentage=0",
      "--enable-leader-election=false",
    ],
    env: {},
    want: {
      kubeconfig: "/tmp/k",
      context: "kind",
      concurrent: 4,
      metricsAddr: "127.0.0.1:0",
      healthAddr: ":0",
      logLevel: "debug",
      logEncoding: "console",
      minRetryDelayMs: 1_000,
      maxRetryDelayMs: 5_400_000,
      intervalJitter: 0,
      leaderElection: false,
    },
  },
  {
    name: "reads managers to take over from, one by one and in a list",
    argv: ["--override-manager=argocd-controller,", "--override-manager", "ansible, argocd-controller"],
    env: { OVERRIDE_MANAGERS: "not-read-beside-the-flag" },
    want: {
      overrideManagers: ["argocd-controller", "ansible"],
      env: { OVERRIDE_MANAGERS: "not-read-beside-the-flag" },
    },
  },
  {
    name: "reads managers to take over from in the environment",
    argv: [],
    env: { OVERRIDE_MANAGERS: "argocd-controller, ansible" },
    want: {
      overrideManagers: ["argocd-controller", "ansible"],
      env: { OVERRIDE_MANAGERS: "argocd-controller, ansible" },
    },
  },
  {
    name: "reads a switch without value as true",
    argv: ["--enable-leader-election=false", "--enable-leader-election"],
    env: {},
    want: {},
  },
  { name: "lets the last of a flag win", argv: ["--concurrent=2", "--concurrent=3"], env: {}, want: { concurrent: 3 } },
] satisfies readonly { name: string; argv: readonly string[]; env: Config["env"]; want: Partial<Config> }[]) {
  test(`readConfig() ${name}`, () =>
    assert.deepEqual(readConfig(argv, env), { config: { ...defaults, env, ...want }, ignored: [] }));
}

test("readConfig() accepts the flags of what we do not have, and names them", () => {
  const argv = ["--web-server-only", "--storage-path=/data", "--reporting-interval", "5m", "--concurrent=1"];
  assert.deepEqual(readConfig(argv, {}), {
    config: { ...defaults, concurrent: 1 },
    ignored: ["--reporting-interval", "--storage-path", "--web-server-only"],
  });
});

for (const { argv, message } of [
  { argv: ["--concurrent=0"], message: "Cannot use --concurrent=0: write a whole number from 1 to 100" },
  { argv: ["--concurrent=1.5"], message: "Cannot use --concurrent=1.5: write a whole number from 1 to 100" },
  { argv: ["--concurrent="], message: "Cannot use --concurrent=: write a whole number from 1 to 100" },
  {
    argv: ["--interval-jitter-percentage=-1"],
    message: "Cannot use --interval-jitter-percentage=-1: write a whole number from 0 to 100",
  },
  {
    argv: ["--min-retry-delay=5"],
    message: "Cannot use --min-retry-delay=5: write a duration such as 750ms or 15m",
  },
  {
    argv: ["--max-retry-delay=0s"],
    message: "Cannot use --max-retry-delay=0s: write a duration such as 750ms or 15m",
  },
  { argv: ["--log-encoding=xml"], message: "Cannot use --log-encoding=xml: write one of json, console" },
  {
    argv: ["--enable-leader-election=maybe"],
    message: "Cannot use --enable-leader-election=maybe: write true or false",
  },
]) {
  test(`readConfig() refuses ${argv.join(" ")}`, () =>
    assert.throws(
      () => readConfig(argv, {}),
      (thrown) => thrown instanceof ConfigError && thrown.message === message,
    ));
}

for (const { name, argv, message } of [
  {
    name: "a log level that does not exist",
    argv: ["--log-level=loud"],
    message: /^Cannot use --log-level=loud: write one of .*info/,
  },
  { name: "an unknown flag", argv: ["--cluster-admin=true"], message: /^Cannot read the arguments: .*--cluster-admin/ },
  { name: "a word that is no flag", argv: ["serve"], message: /^Cannot read the arguments: .*serve/ },
  { name: "a flag without its value", argv: ["--concurrent"], message: /^Cannot read the arguments: .*--concurrent/ },
]) {
  test(`readConfig() refuses ${name}, and names it`, () =>
    assert.throws(
      () => readConfig(argv, {}),
      (thrown) => thrown instanceof ConfigError && message.test(thrown.message),
    ));
}
