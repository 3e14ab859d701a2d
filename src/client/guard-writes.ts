import type { ApiClient } from "./api-client.ts";

/** The same client, but every write first calls `check`, and fails with what that throws: a leader that has lost its lease writes no more. */
export function guardWrites(client: ApiClient, check: () => void): ApiClient {
  const guarded =
    <Args extends readonly unknown[], Answer>(write: (...args: Args) => Promise<Answer>) =>
    async (...args: Args): Promise<Answer> => {
      check();
      return await write(...args);
    };
  return {
    discovery: client.discovery,
    get: (...args) => client.get(...args),
    getOrUndefined: (...args) => client.getOrUndefined(...args),
    list: (...args) => client.list(...args),
    listPage: (...args) => client.listPage(...args),
    watch: (...args) => client.watch(...args),
    serverVersion: (...args) => client.serverVersion(...args),
    create: guarded((...args) => client.create(...args)),
    apply: guarded((...args) => client.apply(...args)),
    replace: guarded((...args) => client.replace(...args)),
    patch: guarded((...args) => client.patch(...args)),
    delete: guarded((...args) => client.delete(...args)),
  };
}
