import type { KeyPair } from "./certificates.ts";

export type Credential =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "certificate"; readonly pair: KeyPair };

/** A kubeconfig (v1 Config, as JSON, which is YAML) with one context; its server certificate is verified against `caPem`. */
export function kubeconfig(server: string, caPem: string, credential: Credential): string {
  const user =
    credential.kind === "token"
      ? { token: credential.token }
      : {
          "client-certificate-data": base64(credential.pair.certPem),
          "client-key-data": base64(credential.pair.keyPem),
        };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "local", cluster: { server, "certificate-authority-data": base64(caPem) } }],
    users: [{ name: "local", user }],
    contexts: [{ name: "local", context: { cluster: "local", user: "local" } }],
    "current-context": "local",
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
