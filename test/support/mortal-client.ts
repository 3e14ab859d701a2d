import type { ApiClient } from "../../src/client/api-client.ts";

/** A client of a process that dies right after one of its writes has reached the API server, whatever else is under way then. */
export type MortalClient = {
  readonly client: ApiClient;
  /** Aborted when the process is dead. */
  readonly signal: AbortSignal;
  /** "patch Deployment/a/b", in the order in which they were answered. */
  readonly writes: readonly string[];
};

/** Dies after the write of that number, counted from 1; dry-runs do not count. */
export function mortalClient(client: ApiClient, dieAfter: number): MortalClient {
  const death = new AbortController();
  const writes: string[] = [];
  const mortal =
    <Args extends readonly unknown[], Answer>(verb: string, write: (...args: Args) => Promise<Answer>) =>
    async (...args: Args): Promise<Answer> => {
      death.signal.throwIfAborted();
      const answer = await write(...args);
      // What was answered to a dead process was never heard.
      death.signal.throwIfAborted();
      if (JSON.stringify(args).includes('"dryRun":true')) return answer;
      writes.push(`${verb} ${JSON.stringify(args[0])}`);
      if (writes.length === dieAfter) death.abort(new Error("killed"));
      death.signal.throwIfAborted();
      return answer;
    };
  return {
    writes,
    signal: death.signal,
    client: {
      discovery: client.discovery,
      get: (...args) => client.get(...args),
      getOrUndefined: (...args) => client.getOrUndefined(...args),
      list: (...args) => client.list(...args),
      listPage: (...args) => client.listPage(...args),
      watch: (...args) => client.watch(...args),
      serverVersion: (...args) => client.serverVersion(...args),
      schemaOf: (...args) => client.schemaOf(...args),
      review: (...args) => client.review(...args),
      create: mortal("create", (...args) => client.create(...args)),
      apply: mortal("apply", (...args) => client.apply(...args)),
      replace: mortal("replace", (...args) => client.replace(...args)),
      patch: mortal("patch", (...args) => client.patch(...args)),
      delete: mortal("delete", (...args) => client.delete(...args)),
    },
  };
}
