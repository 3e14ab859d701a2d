import type { Runnable } from "./manager.ts";

/** Starts and stops runnables while the program runs, such as informers of kinds that exist only while Flux is installed. */
export type TaskGroup = Runnable & {
  /** Starts a runnable, once for each name. An error of it ends the program. Before `run` it waits, and after the end of `run` nothing starts. */
  start(runnable: Runnable): void;
  /** Stops the runnable of that name and waits for its end; does nothing if there is none. */
  stop(name: string): Promise<void>;
  readonly names: readonly string[];
};

type Task = { readonly abort: AbortController; readonly ended: Promise<void> };

/** A group without runnables. `name` names it in the manager's errors. */
export function createTaskGroup(name: string): TaskGroup {
  return new Group(name);
}

class Group implements TaskGroup {
  readonly name: string;
  readonly #tasks = new Map<string, Task>();
  readonly #failure = Promise.withResolvers<never>();
  readonly #begin = Promise.withResolvers<void>();
  #closed = false;

  constructor(name: string) {
    this.name = name;
    this.#failure.promise.catch(() => undefined);
  }

  get names(): readonly string[] {
    return [...this.#tasks.keys()];
  }

  start(runnable: Runnable): void {
    if (this.#closed || this.#tasks.has(runnable.name)) return;
    const abort = new AbortController();
    this.#tasks.set(runnable.name, { abort, ended: this.#run(runnable, abort.signal) });
  }

  async stop(name: string): Promise<void> {
    const task = this.#tasks.get(name);
    if (task === undefined) return;
    this.#tasks.delete(name);
    task.abort.abort(new Error(`${name} is stopped`));
    await task.ended;
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#begin.resolve();
    const stopped = Promise.withResolvers<void>();
    const onAbort = (): void => stopped.resolve();
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([stopped.promise, this.#failure.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#closed = true;
      await Promise.all(this.names.map((name) => this.stop(name)));
    }
  }

  async #run(runnable: Runnable, signal: AbortSignal): Promise<void> {
    await this.#begin.promise;
    if (signal.aborted) return;
    try {
      await runnable.run(signal);
    } catch (error) {
      if (!signal.aborted) this.#failure.reject(error);
    }
  }
}
