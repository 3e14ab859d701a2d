import { createHash, createPublicKey, generateKeyPairSync, randomInt, sign, X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { ASN1Obj } from "@sigstore/core";
// Not by the package's index, which loads nock, and that puts itself between this process and its network.
import { initializeCA, initializeCTLog } from "@sigstore/mock/dist/fulcio/index.js";
import { initializeTSA } from "@sigstore/mock/dist/timestamp/index.js";
import { canonicalJson } from "../../src/std/json.ts";
import type { JsonObject, JsonValue } from "../../src/std/json.ts";

/** Which services a root or a signing configuration lists. */
export type Parts = { readonly tlog?: 1 | 2; readonly tsa?: boolean; readonly ctlog?: boolean };

/**
 * A Sigstore instance of the test's own: a CA that gives a certificate to everybody, its log of certificates, a log of signatures (of both
 * versions) and a timestamp authority, at one address on loopback. They speak to a real cosign.
 */
export type SigstoreServices = AsyncDisposable & {
  readonly url: string;
  /** A trusted_root.json. */
  readonly trustedRoot: (parts: Parts, caValidFor?: { readonly start: string; readonly end?: string }) => string;
  /** A file for `cosign sign --signing-config`. */
  readonly signingConfig: (parts: Parts) => string;
};

/** A token with which the CA gives a certificate to `subject`, as a service of `issuer` would sign it; the CA here believes everybody. */
export function identityToken(issuer: string, subject: string): string {
  const seconds = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer, sub: subject, aud: "sigstore", iat: seconds, nbf: seconds - 10, exp: seconds + 600 };
  return [{ alg: "RS256", typ: "JWT" }, claims, "no signature"].map((part) => encoded(part)).join(".");
}

function encoded(part: JsonValue): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url");
}

type KeyPair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

/** `skewMs`: how far the clocks of the log and the timestamp authority are ahead of ours, and of the CA's. */
export async function startSigstoreServices({ skewMs = 0 } = {}): Promise<SigstoreServices> {
  const [caKeys, logKeys, certLogKeys, tsaKeys] = [keys("P-384"), keys("P-256"), keys("P-256"), keys("P-256")];
  const attested = (): Date => new Date(Date.now() + skewMs);
  const certLog = await initializeCTLog(certLogKeys);
  const ca = await initializeCA(caKeys, certLog);
  const server = createServer(async (incoming, response) => {
    try {
      const { status, body, headers } = await answer(incoming, await buffer(incoming));
      response.writeHead(status, headers).end(body);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port }: AddressInfo = addressOf(server.address());
  const url = `http://127.0.0.1:${port}`;
  const log: Log = { keys: logKeys, host: "127.0.0.1" };
  const tsa = await initializeTSA(tsaKeys);

  async function answer(incoming: IncomingMessage, body: Buffer): Promise<Answer> {
    switch (incoming.url ?? "") {
      case "/api/v2/signingCert": {
        const claims = claimsOf(incoming.headers.authorization ?? "");
        return certificateAnswer(await ca.issueCertificate(certificateRequest(body, claims)), ca.rootCertificate);
      }
      case "/api/v1/signingCert": {
        const claims = claimsOf(incoming.headers.authorization ?? "");
        const issued = await ca.issueCertificate(firstCertificateRequest(body, claims));
        return { status: 201, headers: {}, body: [issued, ca.rootCertificate].map(pemOf).join("") };
      }
      case "/api/v1/log/entries":
        return logAnswer(log, entryOf(parse(body)), attested());
      case "/api/v2/log/entries":
        return secondLogAnswer(log, parse(body));
      case "/api/v1/timestamp": {
        // In whole seconds, as real ones tell the time. A new one for that: its clock stands still.
        const authority = await initializeTSA(tsaKeys, new Date(Math.floor(attested().getTime() / 1000) * 1000));
        return { status: 201, headers: {}, body: bytesOf(await authority.timestamp(timestampRequest(body))) };
      }
      default:
        return { status: 404, headers: {}, body: "" };
    }
  }

  const start = serviceStart;
  const keyOf = (key: KeyObject): JsonObject => ({
    baseUrl: url,
    hashAlgorithm: "SHA2_256",
    publicKey: { rawBytes: der(key).toString("base64"), keyDetails: "PKIX_ECDSA_P256_SHA_256", validFor: { start } },
    logId: { keyId: idOf(key).toString("base64") },
  });
  return {
    url,
    trustedRoot: ({ tlog, tsa: withTsa = false, ctlog = false }, caValidFor = { start }) =>
      JSON.stringify({
        mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        tlogs: tlog === undefined ? [] : [keyOf(logKeys.publicKey)],
        certificateAuthorities: [{ uri: url, certChain: chainOf(ca.rootCertificate), validFor: caValidFor }],
        ctlogs: ctlog ? [keyOf(certLogKeys.publicKey)] : [],
        timestampAuthorities: withTsa
          ? [{ uri: url, certChain: chainOf(tsa.intCertificate, tsa.rootCertificate), validFor: { start } }]
          : [],
      }),
    signingConfig: ({ tlog, tsa: withTsa = false }) =>
      JSON.stringify({
        mediaType: "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        caUrls: [serviceAt(url, 1)],
        oidcUrls: [serviceAt(url, 1)],
        rekorTlogUrls: tlog === undefined ? [] : [serviceAt(url, tlog)],
        rekorTlogConfig: { selector: "ANY" },
        tsaUrls: withTsa ? [serviceAt(`${url}/api/v1/timestamp`, 1)] : [],
        tsaConfig: { selector: "ANY" },
      }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

type Answer = { readonly status: number; readonly headers: Record<string, string>; readonly body: Buffer | string };
type Log = { readonly keys: KeyPair; readonly host: string };

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (typeof address === "string" || address === null) throw new Error("the server has no port");
  return address;
}

function keys(namedCurve: string): KeyPair {
  return generateKeyPairSync("ec", { namedCurve });
}

function der(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "spki" });
}

function idOf(key: KeyObject): Buffer {
  return sha256(der(key));
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

function chainOf(...certificates: readonly ArrayBufferView[]): JsonObject {
  return { certificates: certificates.map((view) => ({ rawBytes: bytesOf(view).toString("base64") })) };
}

// oxlint-disable-next-line typescript/no-explicit-any -- what the clients send has no type here
function parse(body: Buffer): any {
  return JSON.parse(body.toString("utf8"));
}

type Claims = { readonly iss: string; readonly sub: string };

const serviceStart = new Date(Date.now() - 3_600_000).toISOString();

function serviceAt(url: string, majorApiVersion: number): JsonObject {
  return { url, majorApiVersion, validFor: { start: serviceStart }, operator: "test" };
}

function claimsOf(authorization: string): Claims {
  return JSON.parse(Buffer.from(authorization.split(".")[1] ?? "", "base64url").toString("utf8"));
}

type CertificateRequest = Parameters<Awaited<ReturnType<typeof initializeCA>>["issueCertificate"]>[0];

/** The request of Fulcio's second API, which cosign 3 uses. */
function certificateRequest(body: Buffer, claims: Claims): CertificateRequest {
  const pem: string = parse(body).publicKeyRequest.publicKey.content;
  return requestFor(createPublicKey(pem), claims);
}

/** The request of its first API, of cosign 1 and 2. */
function firstCertificateRequest(body: Buffer, claims: Claims): CertificateRequest {
  return requestFor(createPublicKey(Buffer.from(parse(body).publicKey.content, "base64")), claims);
}

/** With the extensions of Fulcio that name the issuer: the old form, and the one of now. */
function requestFor(key: KeyObject, { iss, sub }: Claims): CertificateRequest {
  const extensions = [
    { oid: "1.3.6.1.4.1.57264.1.1", value: iss, legacy: true },
    { oid: "1.3.6.1.4.1.57264.1.8", value: iss },
  ];
  return { publicKey: new Uint8Array(der(key)), subjectAltName: sub, extensions };
}

function pemOf(view: ArrayBufferView): string {
  return new X509Certificate(bytesOf(view)).toString();
}

function certificateAnswer(...chain: readonly ArrayBufferView[]): Answer {
  const document = { signedCertificateEmbeddedSct: { chain: { certificates: chain.map(pemOf) } } };
  return { ...jsonAnswer(document), status: 200 };
}

function timestampRequest(body: Buffer): Parameters<Awaited<ReturnType<typeof initializeTSA>>["timestamp"]>[0] {
  const artifactHash = Buffer.from(ASN1Obj.parseBuffer(Buffer.from(body)).subs[1]?.subs[1]?.value ?? []);
  return { artifactHash, hashAlgorithmOID: "2.16.840.1.101.3.4.2.1", nonce: 1, policyOID: "1.3.6.1.4.1.57264.2" };
}

function jsonAnswer(document: JsonObject, headers: Record<string, string> = {}): Answer {
  return { status: 201, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(document) };
}

function hashOf(content: Buffer | string): JsonObject {
  return { algorithm: "sha256", value: sha256(Buffer.from(content)).toString("hex") };
}

// oxlint-disable-next-line typescript/no-explicit-any -- what the clients send has no type here
function entryOf(proposed: any): JsonObject {
  if (proposed.kind !== "dsse") return proposed;
  const { envelope, verifiers } = proposed.spec.proposedContent;
  const { payload, signatures } = JSON.parse(envelope);
  return {
    apiVersion: "0.0.1",
    kind: "dsse",
    spec: {
      envelopeHash: hashOf(envelope),
      payloadHash: hashOf(Buffer.from(payload, "base64")),
      signatures: [{ signature: signatures[0].sig, verifier: verifiers[0] }],
    },
  };
}

/** Source: Rekor 1, pkg/api/entries.go: an entry with a promise for its time, and a proof that it is in the tree. */
function logAnswer(log: Log, entry: JsonObject, at: Date): Answer {
  const body = Buffer.from(canonicalJson(entry));
  const [logIndex, integratedTime] = [randomInt(1_000_000), Math.floor(at.getTime() / 1000)];
  const logID = idOf(log.keys.publicKey).toString("hex");
  const promised = { body: body.toString("base64"), integratedTime, logIndex, logID };
  const signedEntryTimestamp = sign("sha256", Buffer.from(canonicalJson(promised)), log.keys.privateKey);
  const { hashes, rootHash, checkpoint } = proofOf(log, body, " - 1");
  const inclusionProof = {
    logIndex: 1,
    treeSize: 2,
    rootHash: rootHash.toString("hex"),
    hashes: hashes.map((hash) => hash.toString("hex")),
    checkpoint,
  };
  const id = sha256(body).toString("hex");
  const verification = { inclusionProof, signedEntryTimestamp: signedEntryTimestamp.toString("base64") };
  return jsonAnswer({ [id]: { ...promised, verification } }, { etag: id, location: `/api/v1/log/entries/${id}` });
}

/** Source: Rekor 2, api/proto/rekor/v2: entries have no time, so that a timestamp authority is needed beside the log. */
// oxlint-disable-next-line typescript/no-explicit-any -- what the clients send has no type here
function secondLogAnswer(log: Log, request: any): Answer {
  const { digest, signature } = request.hashedRekordRequestV002;
  const spec = { hashedRekordV002: { data: { algorithm: "SHA2_256", digest }, signature } };
  const body = Buffer.from(canonicalJson({ apiVersion: "0.0.2", kind: "hashedrekord", spec }));
  const { hashes, rootHash, checkpoint } = proofOf(log, body);
  return jsonAnswer({
    logIndex: "1",
    logId: { keyId: idOf(log.keys.publicKey).toString("base64") },
    kindVersion: { kind: "hashedrekord", version: "0.0.2" },
    inclusionProof: {
      logIndex: "1",
      treeSize: "2",
      rootHash: rootHash.toString("base64"),
      hashes: hashes.map((hash) => hash.toString("base64")),
      checkpoint: { envelope: checkpoint },
    },
    canonicalizedBody: body.toString("base64"),
  });
}

type Proof = { readonly hashes: readonly Buffer[]; readonly rootHash: Buffer; readonly checkpoint: string };

/** The entry is the second of two in its tree (RFC 6962), whose root the log signs as a checkpoint (C2SP tlog-checkpoint). */
function proofOf({ keys: { privateKey, publicKey }, host }: Log, body: Buffer, tree = ""): Proof {
  const first = sha256(Buffer.from([0]), Buffer.from("the first entry"));
  const rootHash = sha256(Buffer.from([1]), first, sha256(Buffer.from([0]), body));
  const note = `${host}${tree}\n2\n${rootHash.toString("base64")}\n`;
  const signature = Buffer.concat([idOf(publicKey).subarray(0, 4), sign("sha256", Buffer.from(note), privateKey)]);
  return { hashes: [first], rootHash, checkpoint: `${note}\n\u2014 ${host} ${signature.toString("base64")}\n` };
}
