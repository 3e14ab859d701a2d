/**
 * A program: asks each HTTPS server that its arguments name as NAME=PORT, by Node's own client, as the API server is asked, and by that for
 * registries, and prints what came of it as JSON. Servers are trusted by the certificate in CA_PEM.
 */
import { request } from "undici";
import { Dispatchers } from "../../src/oci/dispatchers.ts";

const https = process.getBuiltinModule("node:https");
const ca = process.env["CA_PEM"] ?? "";

function askByNode(url: URL): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  https.get(url, { ca, agent: false }, (answer) => resolve(answer.resume().statusCode ?? 0)).on("error", reject);
  return promise;
}

async function askByUndici(url: URL): Promise<number> {
  const dispatchers = new Dispatchers({});
  try {
    const dispatcher = await dispatchers.for(url, { tls: { ca }, action: "ask" });
    const { statusCode, body } = await request(url, { dispatcher });
    await body.dump();
    return statusCode;
  } finally {
    await dispatchers.close();
  }
}

const results: { [name: string]: readonly string[] } = {};
for (const [name = "", port = ""] of process.argv.slice(2).map((argument) => argument.split("="))) {
  const url = new URL(`https://127.0.0.1:${port}/`);
  const asked = await Promise.allSettled([askByNode(url), askByUndici(url)]);
  results[name] = asked.map(({ status }) => (status === "fulfilled" ? "answered" : "refused"));
}
console.log(JSON.stringify(results));
process.exit();
