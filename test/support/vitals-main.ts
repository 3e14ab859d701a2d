/**
 * The operator, which also writes what it holds into VITALS_FILE every second. Node tells the number of its timers to the process itself alone,
 * and the listeners of a signal to whoever has the signal.
 */
import { getEventListeners } from "node:events";
import { renameSync, writeFileSync } from "node:fs";

const file = process.env["VITALS_FILE"] ?? "";
const signals = new Map<number, WeakRef<AbortSignal>>();
const known = new WeakSet<AbortSignal>();
let last = 0;

const add: unknown = Reflect.get(EventTarget.prototype, "addEventListener");
if (typeof add !== "function") throw new Error("EventTarget has no addEventListener");
const watched = new Proxy(add, {
  apply(_, target: unknown, args: readonly unknown[]) {
    if (target instanceof AbortSignal && !known.has(target)) {
      known.add(target);
      last += 1;
      signals.set(last, new WeakRef(target));
    }
    Reflect.apply(add, target, args);
  },
});
Reflect.set(EventTarget.prototype, "addEventListener", watched);

write();
setInterval(write, 1_000).unref();
await import("../../src/operator/main.ts");

function write(): void {
  const timers = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  // Renamed, so that nobody reads half of it.
  writeFileSync(`${file}.new`, JSON.stringify({ timers, listeners: mostListeners() }));
  renameSync(`${file}.new`, file);
}

function mostListeners(): number {
  let most = 0;
  for (const [id, reference] of signals) {
    const signal = reference.deref();
    if (signal === undefined) signals.delete(id);
    else most = Math.max(most, getEventListeners(signal, "abort").length);
  }
  return most;
}
