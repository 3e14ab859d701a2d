import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "../../scripts/site/chromium.ts";
import { dieWithParent } from "../../scripts/control-plane/processes.ts";

/** A page of a real browser. */
export type BrowserPage = {
  /** Opens the address at that width in CSS pixels, and waits until it is loaded. */
  open(url: string, width: number): Promise<void>;
  /** What the reader's system prefers, for pages that are opened from now on. */
  prefer(scheme: "dark" | "light"): Promise<void>;
  /** The value of a JavaScript expression in the page; a promise is waited for. */
  read(expression: string): Promise<unknown>;
  /** A picture of what is to be seen, as PNG. */
  picture(): Promise<Buffer>;
  /** Errors on the console and requests that failed since the last call. */
  troubles(): readonly string[];
};

export type Browser = AsyncDisposable & { readonly page: BrowserPage };

type Fields = { readonly [name: string]: unknown };
type Message = {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Fields;
  readonly result?: Fields;
  readonly error?: { readonly message: string };
};
type Session = {
  send(method: string, params?: Fields): Promise<Fields>;
  /** Resolves when the next event of that name comes. */
  next(event: string): Promise<Fields>;
  on(listener: (event: string, params: Fields) => void): void;
};

/** Starts Chromium with one page, which the DevTools protocol drives. */
export async function startBrowser(): Promise<Browser> {
  const { program, env } = await chromium();
  const profile = await mkdtemp(join(tmpdir(), "browser-"));
  const flags = ["--headless=shell", "--no-sandbox", "--no-zygote", "--disable-gpu", "--remote-debugging-port=0"];
  const { path, args } = dieWithParent({
    path: program,
    args: [...flags, `--user-data-dir=${profile}`, "about:blank"],
  });
  const child = spawn(path, args, { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...env } });
  const socket = new WebSocket(await addressOf(child.stderr));
  await once(socket, "open");
  const page = await openPage(socket);
  return {
    page,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function addressOf(stderr: NodeJS.ReadableStream): Promise<string> {
  const said: string[] = [];
  for await (const line of createInterface({ input: stderr })) {
    const [, address] = /listening on (ws:\S+)/.exec(line) ?? [];
    if (address !== undefined) return address;
    said.push(line);
  }
  throw new Error(`Chromium did not start:\n${said.join("\n")}`);
}

/** Speaks to one page of the browser. */
async function attach(socket: WebSocket): Promise<Session> {
  let last = 0;
  let sessionId: string | undefined;
  const answers = new Map<number, PromiseWithResolvers<Fields>>();
  const listeners: ((event: string, params: Fields) => void)[] = [];
  socket.addEventListener("message", ({ data }) => {
    const { id, method, params = {}, result = {}, error } = JSON.parse(String(data)) as Message;
    if (method !== undefined) for (const listener of listeners) listener(method, params);
    const answer = answers.get(id ?? 0);
    if (error === undefined) answer?.resolve(result);
    else answer?.reject(new Error(`Chromium refuses: ${error.message}`));
  });
  const send = async (method: string, params: Fields = {}): Promise<Fields> => {
    const answer = Promise.withResolvers<Fields>();
    answers.set((last += 1), answer);
    socket.send(JSON.stringify({ id: last, method, params, sessionId }));
    return await answer.promise;
  };
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  sessionId = String((await send("Target.attachToTarget", { targetId, flatten: true }))["sessionId"]);
  return {
    send,
    on: (listener) => void listeners.push(listener),
    next: async (wanted) => {
      const { promise, resolve } = Promise.withResolvers<Fields>();
      listeners.push((event, params) => {
        if (event === wanted) resolve(params);
      });
      return await promise;
    },
  };
}

async function openPage(socket: WebSocket): Promise<BrowserPage> {
  const session = await attach(socket);
  let troubles: string[] = [];
  session.on((event, params) => {
    if (troubleEvents.has(event)) troubles.push(`${event}: ${JSON.stringify(params)}`);
    const response = params["response"] as { readonly status: number; readonly url: string } | undefined;
    if (event === "Network.responseReceived" && (response?.status ?? 0) >= 400)
      troubles.push(`${response?.url} answered ${response?.status}`);
  });
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await session.send(`${domain}.enable`);
  return {
    open: async (url, width) => {
      const screen = { width, height: 900, deviceScaleFactor: 1, mobile: width < 600 };
      await session.send("Emulation.setDeviceMetricsOverride", screen);
      const loaded = session.next("Page.loadEventFired");
      await session.send("Page.navigate", { url });
      await loaded;
    },
    prefer: async (value) => {
      await session.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
    },
    read: async (expression) => {
      const params = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = await session.send("Runtime.evaluate", params);
      if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
      return (result as Fields)["value"];
    },
    picture: async () => Buffer.from(String((await session.send("Page.captureScreenshot"))["data"]), "base64"),
    troubles: () => {
      const seen = troubles;
      troubles = [];
      return seen;
    },
  };
}

const troubleEvents = new Set(["Log.entryAdded", "Runtime.exceptionThrown", "Network.loadingFailed"]);
