import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigError, readConfig, readPodNamespace, type Config } from "./config.ts";

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
  leaderElection: { leaseMs: 35_000, renewMs: 30_000, retryMs: 5_000, releaseOnCancel: true },
  overrideManagers: [],
  bundles: "/bundles",
  notifications: { disabled: false },
  fips: "off",
};

for (const { name, argv, env, want } of [
  { name: "has the Go operator's defaults", argv: [], env: {}, want: {} },
  {
    name: "takes the namespace from the environment",
    argv: [],
    env: { RUNTIME_NAMESPACE: "gitops" },
    want: { namespace: "gitops" },
  },
  { name: "takes the uid of its pod", argv: [], env: { RUNTIME_POD_UID: "uid" }, want: { podUid: "uid" } },
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
      "--bundles=/var/bundles",
      "--fips=required",
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
      leaderElection: undefined,
      bundles: "/var/bundles",
      fips: "required",
    },
  },
  {
    name: "reads how the lease is held",
    argv: [
      "--leader-election-lease-duration=60s",
      "--leader-election-renew-deadline=40s",
      "--leader-election-retry-period=1.5s",
      "--leader-election-release-on-cancel=false",
    ],
    env: {},
    want: { leaderElection: { leaseMs: 60_000, renewMs: 40_000, retryMs: 1_500, releaseOnCancel: false } },
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
  {
    name: "takes an address of notification-controller without its scheme",
    argv: [],
    env: { NOTIFICATION_CONTROLLER_ADDRESS: "notifications:9090", NOTIFICATIONS_DISABLED: "false" },
    want: {
      notifications: { address: "http://notifications:9090", disabled: false },
      env: { NOTIFICATION_CONTROLLER_ADDRESS: "notifications:9090", NOTIFICATIONS_DISABLED: "false" },
    },
  },
  {
    name: "turns notifications off by any other value",
    argv: [],
    env: { NOTIFICATIONS_DISABLED: "yes" },
    want: { notifications: { disabled: true }, env: { NOTIFICATIONS_DISABLED: "yes" } },
  },
  { name: "lets the last of a flag win", argv: ["--concurrent=2", "--concurrent=3"], env: {}, want: { concurrent: 3 } },
] satisfies readonly {
  name: string;
  argv: readonly string[];
  env: Config["env"];
  want: { [Name in keyof Config]?: Config[Name] | undefined };
}[]) {
  test(`readConfig() ${name}`, () => {
    const { leaderElection, ...others } = { ...defaults, env, ...want };
    const config = leaderElection === undefined ? others : { ...others, leaderElection };
    assert.deepEqual(readConfig(argv, env), { config, ignored: [] });
  });
}

/** What the Go operator 0.58.1 reads, with a value that differs from its default. */
const goFlags: { readonly [flag: string]: string } = {
  concurrent: "5",
  "reporting-interval": "10m",
  "requeue-dependency": "10s",
  "metrics-addr": ":9090",
  "health-addr": ":9091",
  "storage-path": "/tmp",
  "default-service-account": "flux",
  "default-workload-identity-service-account": "flux",
  "override-manager": "argocd-controller",
  "watch-configs-label-selector": "team=platform",
  "web-server-port": "0",
  "web-server-only": "true",
  "web-config": "/config.yaml",
  "web-config-secret-name": "web",
  "token-cache-max-size": "10",
  "token-cache-max-duration": "30m",
  "log-encoding": "console",
  "log-level": "debug",
  "min-retry-delay": "1s",
  "max-retry-delay": "5m",
  "interval-jitter-percentage": "10",
  "enable-leader-election": "false",
  "leader-election-release-on-cancel": "false",
  "leader-election-lease-duration": "60s",
  "leader-election-renew-deadline": "20s",
  "leader-election-retry-period": "2s",
};
const goVariables: { readonly [name: string]: string } = {
  RUNTIME_NAMESPACE: "gitops",
  DEFAULT_SERVICE_ACCOUNT: "flux",
  DEFAULT_WORKLOAD_IDENTITY_SERVICE_ACCOUNT: "flux",
  OVERRIDE_MANAGERS: "argocd-controller",
  REPORTING_INTERVAL: "10m",
  WEB_SERVER_PORT: "0",
  WEB_CONFIG_SECRET_NAME: "web",
  MARKETPLACE_TYPE: "aws",
  NOTIFICATION_CONTROLLER_ADDRESS: "http://notification-controller.flux-system.svc.cluster.local./",
  NOTIFICATIONS_DISABLED: "true",
};

/** Whether it changes the configuration, apart from the copy of the environment. */
function isUsed(config: Config): boolean {
  return JSON.stringify({ ...config, env: {} }) !== JSON.stringify(readConfig([], {}).config);
}

for (const [flag, value] of Object.entries(goFlags)) {
  test(`readConfig() uses the Go operator's --${flag}, or says why it has no effect`, () => {
    const { config, ignored } = readConfig([`--${flag}=${value}`], {});
    assert.deepEqual(
      isUsed(config) ? [] : [`--${flag}`],
      ignored.map(({ name }) => name),
    );
  });
}

for (const [variable, value] of Object.entries(goVariables)) {
  test(`readConfig() uses the Go operator's ${variable}, or says why it has no effect`, () => {
    const { config, ignored } = readConfig([], { [variable]: value });
    assert.deepEqual(
      isUsed(config) ? [] : [variable],
      ignored.map(({ name }) => name),
    );
  });
}

test("readConfig() accepts the flags of what we do not have, and names them", () => {
  const argv = ["--web-server-only", "--storage-path=/data", "--reporting-interval", "5m", "--concurrent=1"];
  assert.deepEqual(readConfig(argv, {}), {
    config: { ...defaults, concurrent: 1 },
    ignored: [
      { name: "--reporting-interval", why: "there is no FluxReport yet" },
      { name: "--storage-path", why: "the built-in releases are part of the program" },
      { name: "--web-server-only", why: "there is no web interface yet" },
    ],
  });
});

test("readConfig() names variables of what we do not have, unless they are empty", () => {
  assert.deepEqual(readConfig([], { MARKETPLACE_TYPE: "aws", WEB_SERVER_PORT: "" }).ignored, [
    { name: "MARKETPLACE_TYPE", why: "there is no entitlement to verify" },
  ]);
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
  {
    argv: ["--leader-election-lease-duration=20s"],
    message:
      "Cannot use --leader-election-lease-duration=20s with --leader-election-renew-deadline=30s: the first must be longer; give both",
  },
  {
    argv: ["--leader-election-retry-period=25s"],
    message:
      "Cannot use --leader-election-renew-deadline=30s with --leader-election-retry-period=25s: the first must be longer by more than a fifth; give both",
  },
  {
    argv: ["--leader-election-lease-duration=500ms"],
    message: "Cannot use --leader-election-lease-duration=500ms: a lease counts in seconds; write 1s or more",
  },
  {
    argv: ["--leader-election-release-on-cancel=perhaps"],
    message: "Cannot use --leader-election-release-on-cancel=perhaps: write true or false",
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
  {
    name: "a folder of bundles that depends on where it is started",
    argv: ["--bundles=bundles"],
    message: /^Cannot use --bundles=bundles: write the path of a folder, from \/ on$/,
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

for (const { name, env, pod, want } of [
  { name: "the environment's", env: { RUNTIME_NAMESPACE: "ops" }, pod: "pod", want: "ops" },
  { name: "that of the pod where the environment has none", env: {}, pod: "pod", want: "pod" },
  { name: "that of the pod where the environment's is empty", env: { RUNTIME_NAMESPACE: "" }, pod: "pod", want: "pod" },
  { name: "flux-system outside of pods", env: {}, pod: undefined, want: "flux-system" },
]) {
  test(`readConfig() takes as namespace ${name}`, () => assert.equal(readConfig([], env, pod).config.namespace, want));
}

test("readPodNamespace() reads what the kubelet writes, and knows when there is no pod", async () => {
  const dir = await mkdtemp(join(tmpdir(), "pod-"));
  const path = join(dir, "namespace");
  const outside = readPodNamespace(path);
  await writeFile(path, "ops\n");
  assert.deepEqual([outside, readPodNamespace(path)], [undefined, "ops"]);
  assert.throws(
    () => readPodNamespace(dir),
    /^ConfigError: Cannot read the namespace of this pod from .*; set RUNTIME_NAMESPACE$/,
  );
  await rm(dir, { recursive: true });
});
