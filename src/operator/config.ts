import { parseArgs } from "node:util";
import { parseDurationMs } from "../std/duration.ts";
import { ReasonedError } from "../std/errors.ts";
import { logLevels, type LogEncoding, type LogLevel } from "../runtime/log.ts";

/** Everything that the operator reads from its arguments and its environment. Flags and defaults are the Go operator's. */
export type Config = {
  readonly env: { readonly [name: string]: string | undefined };
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace: string;
  readonly concurrent: number;
  readonly metricsAddr: string;
  readonly healthAddr: string;
  readonly logLevel: LogLevel;
  readonly logEncoding: LogEncoding;
  readonly minRetryDelayMs: number;
  readonly maxRetryDelayMs: number;
  /** The fraction of an interval by which it varies, from 0 to 1. */
  readonly intervalJitter: number;
  readonly leaderElection: boolean;
  /** Field managers whose fields are taken over, besides the known installers of Flux. */
  readonly overrideManagers: readonly string[];
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
} as const;

/** Flags that may be repeated, and have several values separated by commas. */
const lists = { "override-manager": { type: "string", multiple: true } } as const;

/** Flags of the Go operator for features that this operator does not have; they are accepted, so that its Deployments start unchanged. */
const ignoredFlags = [
  "reporting-interval",
  "requeue-dependency",
  "storage-path",
  "default-service-account",
  "default-workload-identity-service-account",
  "watch-configs-label-selector",
  "web-server-port",
  "web-server-only",
  "web-config",
  "web-config-secret-name",
  "token-cache-max-size",
  "token-cache-max-duration",
] as const;

/** Flags that are true without a value, as in Go. */
const switches = new Set(["--enable-leader-election", "--web-server-only"]);

/** The configuration, and flags without effect. */
export type ReadConfig = { readonly config: Config; readonly ignored: readonly string[] };

/** Reads arguments and environment. `ignored` are the flags that were given and have no effect here. Throws ConfigError. */
export function readConfig(argv: readonly string[], env: Config["env"]): ReadConfig {
  const { values, overrideManagers } = parseFlags(argv);
  const text = (name: keyof typeof flags): string => values[name] ?? "";
  const config: Config = {
    env,
    ...(values["kubeconfig"] === undefined ? {} : { kubeconfig: values["kubeconfig"] }),
    ...(values["context"] === undefined ? {} : { context: values["context"] }),
    namespace: env["RUNTIME_NAMESPACE"] || "flux-system",
    concurrent: readNumber("concurrent", text("concurrent"), [1, 100]),
    metricsAddr: text("metrics-addr"),
    healthAddr: text("health-addr"),
    logLevel: readChoice("log-level", text("log-level"), logLevels),
    logEncoding: readChoice("log-encoding", text("log-encoding"), ["json", "console"] as const),
    minRetryDelayMs: readDuration("min-retry-delay", text("min-retry-delay")),
    maxRetryDelayMs: readDuration("max-retry-delay", text("max-retry-delay")),
    intervalJitter: readNumber("interval-jitter-percentage", text("interval-jitter-percentage"), [0, 100]) / 100,
    overrideManagers: splitList(overrideManagers ?? [env["OVERRIDE_MANAGERS"] ?? ""]),
    leaderElection: readSwitch("enable-leader-election", text("enable-leader-election")),
  };
  return { config, ignored: ignoredFlags.filter((name) => values[name] !== undefined).map((name) => `--${name}`) };
}

/** The configuration of this process. Throws ConfigError. */
export function readProcessConfig(): ReadConfig {
  return readConfig(process.argv.slice(2), process.env);
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
  const ignored = Object.fromEntries(ignoredFlags.map((name) => [name, { type: "string" as const }]));
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

function readChoice<Choice extends string>(flag: string, text: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  throw new ConfigError(`Cannot use --${flag}=${text}: write one of ${choices.join(", ")}`);
}
