import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { isIPv4 } from "node:net";

/** A certificate and its private key, both PEM. */
export type KeyPair = { readonly certPem: string; readonly keyPem: string };

export type LeafSubject =
  | { readonly kind: "server"; readonly commonName: string; readonly names: readonly string[] }
  | { readonly kind: "client"; readonly commonName: string; readonly organisations: readonly string[] };

const yearMs = 365 * 24 * 3_600_000;

/**
 * A certificate authority of its own (RFC 5280, ECDSA P-256 with SHA-256), valid for a year from an hour ago.
 * Node reads X.509 but does not write it, and openssl is not on every machine.
 */
export function createAuthority(commonName: string): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = distinguishedName(commonName, []);
  const extensions = [
    extension("2.5.29.19", true, sequence(boolean(true))),
    extension("2.5.29.15", true, bitString(Buffer.from([0x06]), 1)),
    extension("2.5.29.14", false, octetString(keyIdentifier(publicKey))),
  ];
  return {
    certPem: certificate({ issuer: name, subject: name, publicKey, signer: privateKey, extensions }),
    keyPem: pem(privateKey),
  };
}

/**
 * A server certificate for the DNS names and IPv4 addresses in `names`, or a client certificate as Kubernetes reads it (CN user, O groups); valid
 * for `validMs` from now, a year by default.
 */
export function issueCertificate(authority: KeyPair, subject: LeafSubject, validMs = yearMs): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = new X509Certificate(authority.certPem);
  const usage = subject.kind === "server" ? "1.3.6.1.5.5.7.3.1" : "1.3.6.1.5.5.7.3.2";
  const extensions = [
    extension("2.5.29.15", true, bitString(Buffer.from([0x80]), 7)),
    extension("2.5.29.37", false, sequence(objectIdentifier(usage))),
    extension("2.5.29.35", false, sequence(tagged(0x80, keyIdentifier(issuer.publicKey)))),
    ...(subject.kind === "server"
      ? [extension("2.5.29.17", false, sequence(...subject.names.map(alternativeName)))]
      : []),
  ];
  const certPem = certificate({
    issuer: subjectOf(issuer),
    subject: distinguishedName(subject.commonName, subject.kind === "client" ? subject.organisations : []),
    publicKey,
    signer: authority.keyPem,
    extensions,
    validMs,
  });
  return { certPem, keyPem: pem(privateKey) };
}

type CertificateParts = {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject | string;
  readonly extensions: readonly Buffer[];
  readonly validMs?: number;
};

function certificate({ issuer, subject, publicKey, signer, extensions, validMs = yearMs }: CertificateParts): string {
  const algorithm = sequence(objectIdentifier("1.2.840.10045.4.3.2"));
  const now = Date.now();
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    issuer,
    sequence(time(now - 3_600_000), time(now + validMs)),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(...extensions)),
  );
  const der = sequence(body, algorithm, bitString(sign("sha256", body, signer), 0));
  return new X509Certificate(der).toString();
}

/** The authority's subject exactly as we encode it: its common name only. */
function subjectOf(issuer: X509Certificate): Buffer {
  return distinguishedName(issuer.subject.replace(/^CN=/, ""), []);
}

function keyIdentifier(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return createHash("sha1")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest();
}

function pem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" });
}

/** DER (ITU-T X.690): tag, length, contents. */
function tagged(tag: number, ...contents: readonly Buffer[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body]);
}

function lengthOf(bytes: number): Buffer {
  if (bytes < 0x80) return Buffer.from([bytes]);
  if (bytes < 0x100) return Buffer.from([0x81, bytes]);
  return Buffer.from([0x82, bytes >> 8, bytes & 0xff]);
}

const sequence = (...contents: readonly Buffer[]): Buffer => tagged(0x30, ...contents);
const integer = (bytes: Buffer): Buffer => tagged(0x02, bytes);
const boolean = (value: boolean): Buffer => tagged(0x01, Buffer.from([value ? 0xff : 0]));
const octetString = (bytes: Buffer): Buffer => tagged(0x04, bytes);
const bitString = (bytes: Buffer, unusedBits: number): Buffer => tagged(0x03, Buffer.from([unusedBits]), bytes);
const time = (ms: number): Buffer =>
  tagged(
    0x17,
    Buffer.from(
      new Date(ms)
        .toISOString()
        .slice(2)
        .replaceAll(/[-:T]|\.\d+/g, ""),
    ),
  );

function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): readonly number[] {
  const low = value & 0x7f;
  const high: number[] = [];
  for (let left = value >>> 7; left > 0; left >>>= 7) high.unshift((left & 0x7f) | 0x80);
  return [...high, low];
}

/** One RDN an attribute: organisations first, the common name last. */
function distinguishedName(commonName: string, organisations: readonly string[]): Buffer {
  const attribute = (type: string, value: string): Buffer =>
    tagged(0x31, sequence(objectIdentifier(type), tagged(0x0c, Buffer.from(value, "utf8"))));
  return sequence(...organisations.map((value) => attribute("2.5.4.10", value)), attribute("2.5.4.3", commonName));
}

function extension(type: string, critical: boolean, value: Buffer): Buffer {
  return sequence(objectIdentifier(type), ...(critical ? [boolean(true)] : []), tagged(0x04, value));
}

function alternativeName(name: string): Buffer {
  return isIPv4(name)
    ? tagged(0x87, Buffer.from(name.split(".").map(Number)))
    : tagged(0x82, Buffer.from(name, "ascii"));
}
