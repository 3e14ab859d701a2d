import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { parseDurationMs } from "../std/duration.ts";
import { ReasonedError, errorCode, errorMessage } from "../std/errors.ts";
import { logLevels, type LogEncoding, type LogLevel } from "../runtime/log.ts";

/** Everything that the operator reads from its arguments and its environment. Flags and defaults are the Go operator's, but for `bundles` and `fips`. */
export type Config = {
  readonly env: { readonly [name: string]: string | undefined };
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace: string;
  /** The uid of the pod that this process runs in; absent where the environment does not tell. */
  readonly podUid?: string;
  readonly concurrent: number;
  readonly metricsAddr: string;
  readonly healthAddr: string;
  readonly logLevel: LogLevel;
  readonly logEncoding: LogEncoding;
  readonly minRetryDelayMs: number;
  readonly maxRetryDelayMs: number;
  /** The fraction of an interval by which it varies, from 0 to 1. */
  readonly intervalJitter: number;
  /** Absent when this process writes without a lease. */
  readonly leaderElection?: LeaseConfig;
  /** Field managers whose fields are taken over, besides the known installers of Flux. */
  readonly overrideManagers: readonly string[];
  /** The folder with the bundles that an instance may name. */
  readonly bundles: string;
  /** Where notification-controller is told of events, when not at the address of its Service, and whether it is told at all. */
  readonly notifications: { readonly address?: string; readonly disabled: boolean };
  /** "required": it runs only with a FIPS provider of OpenSSL. */
  readonly fips: (typeof fipsModes)[number];
};

const fipsModes = ["off", "required"] as const;

/** How the lease is held, in the words of client-go: lease duration, renew deadline, retry period. */
export type LeaseConfig = {
  readonly leaseMs: number;
  readonly renewMs: number;
  readonly retryMs: number;
  /** Whether the lease is given up at the end, so that the next process need not wait until it has passed. */
  readonly releaseOnCancel: boolean;
};

/** A flag or variable cannot be used. */
export class ConfigError extends ReasonedError {
  constructor(message: string) {
    super({ reason: "InvalidConfiguration", retry: "on-change", message });
  }
}

const flags = {
  kubeconfig: { type: "string" },
  context: { type: "string" },
  concurrent: { type: "string", default: "10" },
  "metrics-addr": { type: "string", default: ":8080" },
  "health-addr": { type: "string", default: ":8081" },
  "log-level": { type: "string", default: "info" },
  "log-encoding": { type: "string", default: "json" },
  "min-retry-delay": { type: "string", default: "750ms" },
  "max-retry-delay": { type: "string", default: "15m" },
  "interval-jitter-percentage": { type: "string", default: "5" },
  "enable-leader-election": { type: "string", default: "true" },
  "leader-election-lease-duration": { type: "string", default: "35s" },
  "leader-election-renew-deadline": { type: "string", default: "30s" },
  "leader-election-retry-period": { type: "string", default: "5s" },
  "leader-election-release-on-cancel": { type: "string", default: "true" },
  bundles: { type: "string", default: "/bundles" },
  fips: { type: "string", default: "off" },
} as const;

/** Flags that may be repeated, and have several values separated by commas. */
const lists = { "override-manager": { type: "string", multiple: true } } as const;

const notBuilt = {
  reports: "there is no FluxReport yet",
  resourceSets: "there is no ResourceSet yet",
  web: "there is no web interface yet",
} as const;

/** Flags of the Go operator for what this operator does not have, and why; they are accepted, so that its Deployments start unchanged. */
const ignoredFlags: { readonly [name: string]: string } = {
  "reporting-interval": notBuilt.reports,
  "requeue-dependency": notBuilt.resourceSets,
  "storage-path": "the built-in releases are part of the program",
  "default-service-account": notBuilt.resourceSets,
  "default-workload-identity-service-account": notBuilt.resourceSets,
  "watch-configs-label-selector": notBuilt.resourceSets,
  "web-server-port": notBuilt.web,
  "web-server-only": notBuilt.web,
  "web-config": notBuilt.web,
  "web-config-secret-name": notBuilt.web,
  "token-cache-max-size": notBuilt.resourceSets,
  "token-cache-max-duration": notBuilt.resourceSets,
};

/** The same of its environment variables. */
const ignoredVariables: { readonly [name: string]: string } = {
  REPORTING_INTERVAL: notBuilt.reports,
  DEFAULT_SERVICE_ACCOUNT: notBuilt.resourceSets,
  DEFAULT_WORKLOAD_IDENTITY_SERVICE_ACCOUNT: notBuilt.resourceSets,
  WEB_SERVER_PORT: notBuilt.web,
  WEB_CONFIG_SECRET_NAME: notBuilt.web,
  MARKETPLACE_TYPE: "there is no entitlement to verify",
};

/** Flags that are true without a value, as in Go. */
const switches = new Set(["--enable-leader-election", "--leader-election-release-on-cancel", "--web-server-only"]);

/** A flag or variable that was given and has no effect here, and why. */
export type Ignored = { readonly name: string; readonly why: string };

/** The configuration, and what was given without effect. */
export type ReadConfig = { readonly config: Config; readonly ignored: readonly Ignored[] };

/** Where the kubelet writes the namespace of a pod with a service account. */
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/** Reads arguments and environment; `podNamespace` counts where the environment names no namespace. Throws ConfigError. */
export function readConfig(argv: readonly string[], env: Config["env"], podNamespace?: string): ReadConfig {
  const { values, overrideManagers } = parseFlags(argv);
  const text = (name: keyof typeof flags): string => values[name] ?? "";
  const lease = readLease(text);
  const { RUNTIME_POD_UID: podUid = "" } = env;
  const config: Config = {
    env,
    ...(values["kubeconfig"] === undefined ? {} : { kubeconfig: values["kubeconfig"] }),
    ...(values["context"] === undefined ? {} : { context: values["context"] }),
    namespace: env["RUNTIME_NAMESPACE"] || podNamespace || "flux-system",
    ...(podUid !== "" && { podUid }),
    concurrent: readNumber("concurrent", text("concurrent"), [1, 100]),
    metricsAddr: text("metrics-addr"),
    healthAddr: text("health-addr"),
    logLevel: readChoice("log-level", text("log-level"), logLevels),
    logEncoding: readChoice("log-encoding", text("log-encoding"), ["json", "console"] as const),
    minRetryDelayMs: readDuration("min-retry-delay", text("min-retry-delay")),
    maxRetryDelayMs: readDuration("max-retry-delay", text("max-retry-delay")),
    intervalJitter: readNumber("interval-jitter-percentage", text("interval-jitter-percentage"), [0, 100]) / 100,
    overrideManagers: splitList(overrideManagers ?? [env["OVERRIDE_MANAGERS"] ?? ""]),
    bundles: readFolder("bundles", text("bundles")),
    notifications: readNotifications(env),
    fips: readChoice("fips", text("fips"), fipsModes),
    ...(readSwitch("enable-leader-election", text("enable-leader-election")) && { leaderElection: lease }),
  };
  return { config, ignored: ignoredOf(values, env) };
}

/** The configuration of this process. Throws ConfigError. */
export function readProcessConfig(): ReadConfig {
  return readConfig(process.argv.slice(2), process.env, readPodNamespace(namespaceFile));
}

/** The namespace of the pod that this process runs in; undefined outside of pods. Throws ConfigError when the file cannot be read. */
export function readPodNamespace(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    throw new ConfigError(
      `Cannot read the namespace of this pod from ${path}: ${errorMessage(error)}; set RUNTIME_NAMESPACE`,
    );
  }
}

function ignoredOf(values: Flags["values"], env: Config["env"]): readonly Ignored[] {
  const flagged = Object.entries(ignoredFlags).filter(([name]) => values[name] !== undefined);
  const variables = Object.entries(ignoredVariables).filter(([name]) => (env[name] ?? "") !== "");
  return [
    ...flagged.map(([name, why]) => ({ name: `--${name}`, why })),
    ...variables.map(([name, why]) => ({ name, why })),
  ];
}

/** The same bounds as client-go's leaderelection package, whose jitter lengthens the retry period by up to a fifth. */
function readLease(text: (name: keyof typeof flags) => string): LeaseConfig {
  const names = {
    lease: "leader-election-lease-duration",
    renew: "leader-election-renew-deadline",
    retry: "leader-election-retry-period",
    release: "leader-election-release-on-cancel",
  } as const;
  const leaseMs = readDuration(names.lease, text(names.lease));
  const renewMs = readDuration(names.renew, text(names.renew));
  const retryMs = readDuration(names.retry, text(names.retry));
  if (leaseMs < 1_000) {
    throw new ConfigError(
      `Cannot use --${names.lease}=${text(names.lease)}: a lease counts in seconds; write 1s or more`,
    );
  }
  mustExceed([names.lease, text(names.lease), leaseMs], [names.renew, text(names.renew), renewMs]);
  mustExceed([names.renew, text(names.renew), renewMs / 1.2], [names.retry, text(names.retry), retryMs]);
  return { leaseMs, renewMs, retryMs, releaseOnCancel: readSwitch(names.release, text(names.release)) };
}

type Given = readonly [flag: string, text: string, ms: number];

function mustExceed([longer, longerText, longerMs]: Given, [shorter, shorterText, shorterMs]: Given): void {
  if (longerMs > shorterMs) return;
  const margin = longer === "leader-election-renew-deadline" ? " by more than a fifth" : "";
  throw new ConfigError(
    `Cannot use --${longer}=${longerText} with --${shorter}=${shorterText}: the first must be longer${margin}; give both`,
  );
}

/** As the Go operator reads them. Any value but those for false turns notifications off. */
function readNotifications(env: Config["env"]): Config["notifications"] {
  const [address = "", off = ""] = [env["NOTIFICATION_CONTROLLER_ADDRESS"], env["NOTIFICATIONS_DISABLED"]];
  const disabled = off !== "" && spellings.get(off) !== false;
  if (address === "") return { disabled };
  const url = address.includes("://") ? address : `http://${address}`;
  if (URL.canParse(url) && /^https?:/.test(url)) return { address: url, disabled };
  throw new ConfigError(
    `Cannot use NOTIFICATION_CONTROLLER_ADDRESS=${address}: write a URL such as http://notification-controller.flux-system.svc.cluster.local./`,
  );
}

type Flags = {
  readonly values: { readonly [name: string]: string | undefined };
  readonly overrideManagers: readonly string[] | undefined;
};

function splitList(texts: readonly string[]): readonly string[] {
  const names = texts.flatMap((text) => text.split(",")).map((name) => name.trim());
  return [...new Set(names)].filter((name) => name !== "");
}

function parseFlags(argv: readonly string[]): Flags {
  const ignored = Object.fromEntries(Object.keys(ignoredFlags).map((name) => [name, { type: "string" as const }]));
  try {
    const args = argv.map((arg) => (switches.has(arg) ? `${arg}=true` : arg));
    const options = { ...flags, ...lists, ...ignored };
    const { values } = parseArgs({ args, options, allowPositionals: false, strict: true });
    const single = Object.entries(values).flatMap(([name, value]) =>
      typeof value === "string" ? [[name, value]] : [],
    );
    return { values: Object.fromEntries(single), overrideManagers: values["override-manager"] };
  } catch (error) {
    throw new ConfigError(`Cannot read the arguments: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readNumber(flag: string, text: string, [least, most]: readonly [number, number]): number {
  const value = Number(text);
  if (text !== "" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new ConfigError(`Cannot use --${flag}=${text}: write a whole number from ${least} to ${most}`);
}

/** The spellings that Go's flag package accepts. */
const spellings: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "true", "TRUE", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "false", "FALSE", "False"].map((text) => [text, false] as const),
]);

function readSwitch(flag: string, text: string): boolean {
  const value = spellings.get(text);
  if (value !== undefined) return value;
  throw new ConfigError(`Cannot use --${flag}=${text}: write true or false`);
}

function readDuration(flag: string, text: string): number {
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new ConfigError(`Cannot use --${flag}=${text}: write a duration such as 750ms or 15m`);
}

function readFolder(flag: string, text: string): string {
  if (text.startsWith("/")) return text;
  throw new ConfigError(`Cannot use --${flag}=${text}: write the path of a folder, from / on`);
}

function readChoice<Choice extends string>(flag: string, text: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  throw new ConfigError(`Cannot use --${flag}=${text}: write one of ${choices.join(", ")}`);
}
