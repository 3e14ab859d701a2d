import { createCipheriv, createHash, createDecipheriv, getFips } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import tls from "node:tls";
import { sha256Digest } from "../std/digest.ts";
import { errorMessage } from "../std/errors.ts";
import { ConfigError, type Config } from "./config.ts";

/** TLS in FIPS mode: what NIST SP 800-52 Rev. 2 recommends and every registry and API server has. */
export const fipsTls = {
  minVersion: "TLSv1.2",
  ciphers: [
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
  ].join(":"),
  groups: "P-256:P-384:P-521",
} as const;

/** What answers for the cryptography of this process. */
export type FipsState = {
  /** Of OpenSSL's library, which is Node's own. */
  readonly openssl: string;
  /** Path and digest of the module that is loaded; absent where the system does not tell. */
  readonly module?: string;
  readonly digest?: string;
};

/**
 * Limits the TLS of this process, and tests that its OpenSSL provider is a FIPS provider. Throws ConfigError, which says what is wrong and what to do.
 */
export function requireFips(env: Config["env"]): FipsState {
  if (getFips() !== 1) {
    throw new ConfigError(`Cannot run with --fips=required: ${whyNoFips(env["OPENSSL_CONF"] ?? "")} (docs/fips.md)`);
  }
  limitTls();
  const fault = fipsFault();
  if (fault !== undefined) {
    throw new ConfigError(
      `Cannot run with --fips=required: the self-test failed: ${fault}; use a FIPS provider of OpenSSL (docs/fips.md)`,
    );
  }
  return { openssl: process.versions.openssl ?? "", ...loadedModule() };
}

function whyNoFips(conf: string): string {
  if (conf === "")
    return `OPENSSL_CONF is not set, so OpenSSL has no FIPS provider; set it to a configuration that loads one, and OPENSSL_MODULES to the folder of its module`;
  if (!existsSync(conf)) return `OPENSSL_CONF names ${conf}, which does not exist; put the configuration there`;
  return `the configuration in OPENSSL_CONF (${conf}) does not make FIPS algorithms the default; set default_properties = fips=yes in it`;
}

function limitTls(): void {
  Object.assign(tls, {
    DEFAULT_MIN_VERSION: fipsTls.minVersion,
    DEFAULT_CIPHERS: fipsTls.ciphers,
    DEFAULT_ECDH_CURVE: fipsTls.groups,
  });
}

type SelfTest = { readonly what: string; readonly holds: () => boolean };

/** Known answers: FIPS 180-4's example of SHA-256 ("abc"), and test case 14 of the GCM specification (McGrew and Viega). */
const selfTests: readonly SelfTest[] = [
  { what: "FIPS algorithms are not the default", holds: () => getFips() === 1 },
  { what: "MD5 is not refused", holds: () => isRefused(() => createHash("md5")) },
  {
    what: "ChaCha20-Poly1305 is not refused",
    holds: () => isRefused(() => createCipheriv("chacha20-poly1305", Buffer.alloc(32), Buffer.alloc(12))),
  },
  {
    what: "SHA-256 gives a wrong answer",
    holds: () =>
      createHash("sha256").update("abc").digest("hex") ===
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  },
  { what: "AES-256-GCM gives a wrong answer", holds: () => sealed().toString("hex") === gcmAnswer },
  { what: "AES-256-GCM takes a changed tag", holds: () => isRefused(() => opened(Buffer.alloc(16))) },
  { what: "TLS is not limited", holds: isTlsLimited },
];

const gcmAnswer = "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919";

function sealed(): Buffer {
  const cipher = createCipheriv("aes-256-gcm", Buffer.alloc(32), Buffer.alloc(12));
  return Buffer.concat([cipher.update(Buffer.alloc(16)), cipher.final(), cipher.getAuthTag()]);
}

function opened(tag: Buffer): Buffer {
  const decipher = createDecipheriv("aes-256-gcm", Buffer.alloc(32), Buffer.alloc(12)).setAuthTag(tag);
  return Buffer.concat([decipher.update(Buffer.from(gcmAnswer, "hex").subarray(0, 16)), decipher.final()]);
}

function isTlsLimited(): boolean {
  const { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS, DEFAULT_ECDH_CURVE } = tls;
  return (
    (DEFAULT_MIN_VERSION === "TLSv1.2" || DEFAULT_MIN_VERSION === "TLSv1.3") &&
    DEFAULT_CIPHERS === fipsTls.ciphers &&
    DEFAULT_ECDH_CURVE === fipsTls.groups
  );
}

function isRefused(attempt: () => unknown): boolean {
  try {
    attempt();
    return false;
  } catch {
    return true;
  }
}

/** The first self-test that fails now, in words; undefined when all hold. A provider that has failed once refuses everything from then on. */
export function fipsFault(): string | undefined {
  for (const { what, holds } of selfTests) {
    try {
      if (!holds()) return what;
    } catch (error) {
      return errorMessage(error);
    }
  }
  return undefined;
}

/** Whether OpenSSL takes FIPS algorithms only, asked for or not. */
export function isFips(): boolean {
  return getFips() === 1;
}

/** The module of a FIPS provider among what this process has mapped (proc(5)); nothing where there is no /proc. */
function loadedModule(): Pick<FipsState, "module" | "digest"> {
  try {
    const maps = readFileSync("/proc/self/maps", "utf8");
    const module = /^\S+ \S+ \S+ \S+ \d+ +(\/.*\/[^/]*fips[^/]*\.so)$/m.exec(maps)?.[1];
    return module === undefined ? {} : { module, digest: sha256Digest(readFileSync(module)) };
  } catch {
    return {};
  }
}
