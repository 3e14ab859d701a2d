import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isJsonObject } from "../src/std/json.ts";
import { writeOrCheck } from "./generated-files.ts";
import { kubernetesCue } from "./timoni/kubernetes.ts";

/** The Kubernetes that tests run: its module has the OpenAPI document. */
const said = execFileSync("go", ["mod", "download", "-json", "k8s.io/kubernetes"], {
  cwd: join(import.meta.dirname, "../tools/kubernetes"),
  encoding: "utf8",
});
const { Dir: folder, Version: version }: { readonly Dir: string; readonly Version: string } = JSON.parse(said);
const { definitions }: { readonly definitions?: unknown } = JSON.parse(
  readFileSync(join(folder, "api/openapi-spec/swagger.json"), "utf8"),
);
if (!isJsonObject(definitions)) throw new TypeError(`Cannot read the OpenAPI document of Kubernetes ${version}`);
const files = [...kubernetesCue(definitions, version)].map(([path, text]): [string, string] => [
  `packaging/timoni/flux-operator/cue.mod/gen/${path}`,
  text,
]);
await writeOrCheck(new Map(files), "the OpenAPI document of Kubernetes has");
