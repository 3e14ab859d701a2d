import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "../src/kube/object.ts";
import { leaksOf } from "./support/secret-leaks.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const auth = base64("reader:correct horse");
const secret: KubeObject = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "login", namespace: "flux-system" },
  data: {
    ".dockerconfigjson": base64(
      JSON.stringify({ auths: { "registry.example.com": { auth, password: "correct horse" } } }),
    ),
    token: base64("s3cr3t-t0k3n"),
    short: base64("yes"),
  },
};

for (const { name, text, want } of [
  { name: "an entry", text: "Cannot pull: token s3cr3t-t0k3n was refused", want: ["token"] },
  { name: "an entry as it is stored", text: `{"data":"${base64("s3cr3t-t0k3n")}"}`, want: ["token"] },
  {
    name: "a password inside a docker config",
    text: "user reader, password correct horse",
    want: [".dockerconfigjson"],
  },
  { name: "a header made of it", text: `authorization: Basic ${auth}`, want: [".dockerconfigjson"] },
  { name: "nothing where only the names stand", text: "Secret/flux-system/login has no token, yes", want: [] },
]) {
  test(`leaksOf() finds ${name}`, () =>
    assert.deepEqual(
      leaksOf([secret], [{ where: "the log", text }]),
      want.map((key) => `Secret/flux-system/login ${key} stands in the log`),
    ));
}
