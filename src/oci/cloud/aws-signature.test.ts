import assert from "node:assert/strict";
import { test } from "node:test";

import { signAwsRequest } from "./aws-signature.ts";
import type { AwsKeys, AwsRequest } from "./aws-signature.ts";

// Requests and signatures of AWS's Signature Version 4 test suite.
const keys: AwsKeys = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
const sessionToken =
  "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
const nowMs = Date.UTC(2015, 7, 30, 12, 36, 0);
const vanilla: AwsRequest = {
  method: "GET",
  host: "example.amazonaws.com",
  headers: {},
  body: "",
  region: "us-east-1",
  service: "service",
};

for (const { name, change, session, signed, signature } of [
  {
    name: "get-vanilla",
    change: {},
    session: {},
    signed: "host;x-amz-date",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  },
  {
    name: "post-vanilla",
    change: { method: "POST" },
    session: {},
    signed: "host;x-amz-date",
    signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
  },
  {
    name: "get-header-value-trim",
    change: { headers: { "my-header2": '"a   b   c"', "my-header1": " value1" } },
    session: {},
    signed: "host;my-header1;my-header2;x-amz-date",
    signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
  },
  {
    name: "post-header-key-sort",
    change: { method: "POST", headers: { "my-header1": "value1" } },
    session: {},
    signed: "host;my-header1;x-amz-date",
    signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
  },
  {
    name: "post-x-www-form-urlencoded",
    change: {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "Param1=value1",
    },
    session: {},
    signed: "content-type;host;x-amz-date",
    signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
  },
  {
    name: "post-sts-header-before",
    change: { method: "POST" },
    session: { sessionToken },
    signed: "host;x-amz-date;x-amz-security-token",
    signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
  },
] satisfies readonly {
  name: string;
  change: Partial<AwsRequest>;
  session: Partial<AwsKeys>;
  signed: string;
  signature: string;
}[]) {
  test(`signAwsRequest() signs ${name} as AWS does`, () => {
    const request = { ...vanilla, ...change };
    assert.deepEqual(signAwsRequest(request, { ...keys, ...session }, nowMs), {
      headers: {
        ...request.headers,
        "x-amz-date": "20150830T123600Z",
        ...("sessionToken" in session ? { "x-amz-security-token": session.sessionToken } : {}),
      },
      authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=${signed}, Signature=${signature}`,
    });
  });
}
