import { createHmac } from "node:crypto";

import { sha256Hex } from "../../std/digest.ts";

/** Keys of a session of AWS. All but the first are secret. */
export type AwsKeys = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
};

/** A request to the path "/", without a query. */
export type AwsRequest = {
  readonly method: "GET" | "POST";
  readonly host: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly region: string;
  /** "ecr" */
  readonly service: string;
};

/** The headers to send besides Host, signed all, and the Authorization that signs them. */
export type SignedRequest = { readonly headers: Readonly<Record<string, string>>; readonly authorization: string };

const algorithm = "AWS4-HMAC-SHA256";

/** Signs with Signature Version 4 for the wall clock `nowMs`. Source: AWS IAM User Guide, "Create a signed AWS API request". */
export function signAwsRequest(request: AwsRequest, keys: AwsKeys, nowMs: number): SignedRequest {
  const time = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
  const day = time.slice(0, 8);
  const { sessionToken } = keys;
  const headers = {
    ...request.headers,
    "x-amz-date": time,
    ...(sessionToken === undefined ? {} : { "x-amz-security-token": sessionToken }),
  };
  const lines = Object.entries({ ...headers, host: request.host })
    .map(([name, value]) => [name, value.trim().replaceAll(/ +/g, " ")] as const)
    .toSorted(([left], [right]) => (left < right ? -1 : 1));
  const names = lines.map(([name]) => name).join(";");
  const canonical = [
    request.method,
    "/",
    "",
    ...lines.map(([name, value]) => `${name}:${value}`),
    "",
    names,
    sha256Hex(request.body),
  ].join("\n");
  const scope = [day, request.region, request.service, "aws4_request"];
  const toSign = [algorithm, time, scope.join("/"), sha256Hex(canonical)].join("\n");
  const key = scope.reduce((secret: string | Buffer, part) => hmac(secret, part), `AWS4${keys.secretAccessKey}`);
  const signature = hmac(key, toSign).toString("hex");
  const credential = `${keys.accessKeyId}/${scope.join("/")}`;
  return {
    headers,
    authorization: `${algorithm} Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
