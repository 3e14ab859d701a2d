import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { isJsonObject, type JsonValue } from "../src/std/json.ts";
import { writeOrCheck } from "./generated-files.ts";

/** Writes src/oci/signatures/public-good-root.ts from the trusted root that the npm package @sigstore/tuf carries, which is pinned. */

const seeds: JsonValue = JSON.parse(await read("@sigstore/tuf/seeds.json"));
const { version }: { version: string } = JSON.parse(await read("@sigstore/tuf/package.json"));
const instance = isJsonObject(seeds) ? seeds["https://tuf-repo-cdn.sigstore.dev"] : undefined;
const targets = isJsonObject(instance) && isJsonObject(instance["targets"]) ? instance["targets"] : {};
const encoded = targets["trusted_root.json"];
if (typeof encoded !== "string") throw new Error("Cannot find trusted_root.json in the seeds of @sigstore/tuf");
const root: JsonValue = JSON.parse(Buffer.from(encoded, "base64").toString("utf8"));

const text = `/** The trusted_root.json of the public Sigstore instance, as @sigstore/tuf ${version} carries it. Written by scripts/generate-public-good-root.ts. */
export const publicGoodRoot =
  // oxfmt-ignore
  ${JSON.stringify(JSON.stringify(root))};
`;
await writeOrCheck(new Map([["src/oci/signatures/public-good-root.ts", text]]), "@sigstore/tuf says");

async function read(path: string): Promise<string> {
  return await readFile(fileURLToPath(import.meta.resolve(path)), "utf8");
}
