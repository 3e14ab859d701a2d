import { appendFileSync } from "node:fs";

/**
 * Preloaded into a process (`--import`): writes each connection that it opens and each name that it looks up into the file that
 * RECORD_CONNECTIONS names, before either leaves the process: "connect 127.0.0.1:6443", "lookup ghcr.io". All of Node's clients (https, undici,
 * fetch) go by these functions.
 */
const path = process.env["RECORD_CONNECTIONS"];
if (path === undefined) throw new Error("RECORD_CONNECTIONS names no file");

type Method = (this: unknown, ...args: unknown[]) => unknown;

function record(line: string): void {
  appendFileSync(path ?? "", `${line}\n`);
}

/** Lets `told` say what each call is for; nothing where it is of no interest. */
function watch(owner: object, name: string, told: (args: readonly unknown[]) => string | undefined): void {
  const original = Reflect.get(owner, name) as Method;
  Reflect.set(owner, name, function (this: unknown, ...args: unknown[]): unknown {
    const line = told(args);
    if (line !== undefined) record(line);
    return original.apply(this, args);
  });
}

type Address = { readonly host?: string; readonly port?: number; readonly path?: string };

function connected([first, second]: readonly unknown[]): string {
  // Node's own callers pass a list of options and callback.
  const options: unknown = Array.isArray(first) ? first[0] : first;
  if (typeof options !== "object" || options === null) return `connect ${String(second)}:${String(options)}`;
  const { host, port, path: socket } = options as Address;
  return `connect ${socket ?? `${host}:${port}`}`;
}

const net = process.getBuiltinModule("node:net");
const dgram = process.getBuiltinModule("node:dgram");
const dns = process.getBuiltinModule("node:dns");
watch(net.Socket.prototype, "connect", connected);
watch(dgram.Socket.prototype, "send", () => "send a datagram");
for (const owner of [dns, dns.promises])
  for (const name of ["lookup", "resolve", "resolve4", "resolve6", "resolveAny"])
    watch(owner, name, ([host]) => (net.isIP(String(host)) === 0 ? `lookup ${String(host)}` : undefined));
