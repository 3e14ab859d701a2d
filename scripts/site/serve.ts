import { createReadStream, existsSync, statSync } from "node:fs";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { extname, join, normalize } from "node:path";

const types: { readonly [extension: string]: string } = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
};

/** Serves the files of a folder at 127.0.0.1; port 0 takes a free one. */
export async function serveFolder(folder: string, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const path = normalize(decodeURIComponent(pathname));
    const wanted = join(folder, path.endsWith("/") ? `${path}index.html` : path);
    const isThere = existsSync(wanted) && statSync(wanted).isFile();
    const file = isThere ? wanted : join(folder, "404.html");
    response.writeHead(isThere ? 200 : 404, { "content-type": types[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}
