/**
 * `npm run docs`: the documents as a site in dist/docs, which any web server takes and which needs nothing from elsewhere. `--serve` then serves it on
 * this machine, `--base=/name/` is for a server that has it below that path.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildSite } from "./site/build.ts";
import { serveFolder } from "./site/serve.ts";

const { values } = parseArgs({
  options: { serve: { type: "boolean", default: false }, base: { type: "string", default: "/" } },
});
const out = join(import.meta.dirname, "../dist/docs");
await buildSite({ out, base: values.base }, new AbortController().signal);
console.log(`The site is in ${out}`);
if (values.serve) {
  const server = await serveFolder(out, 8080);
  const address = server.address();
  if (address !== null && typeof address === "object") console.log(`Open http://127.0.0.1:${address.port}/`);
}
