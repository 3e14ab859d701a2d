// Tests: test/integration/notifications.test.ts

/** Sends `body` and resolves to the status of the answer, whose body is not read. Rejects when none comes, or with the signal's reason. */
export type Post = (url: URL, body: string, signal: AbortSignal) => Promise<number>;

/** By Node's own client, which is loaded already; redirects are answers like any other. */
export const postJson: Post = async (url, body, signal) => {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  // As in http-server.ts, where it is said what an import costs.
  const { request } =
    url.protocol === "https:" ? process.getBuiltinModule("node:https") : process.getBuiltinModule("node:http");
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const sent = request(url, { method: "POST", headers, signal, agent: false }, (answer) => {
    resolve(answer.statusCode ?? 0);
    answer.destroy();
  });
  sent.on("error", (error) => reject(signal.aborted ? signal.reason : error));
  sent.end(body);
  return await promise;
};
