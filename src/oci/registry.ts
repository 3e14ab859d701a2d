import type { Random } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { withinDeadline } from "../std/deadline.ts";
import { sha256Digest } from "../std/digest.ts";
import type { AuthTarget } from "./auth.ts";
import type { CloudIdentities } from "./cloud/cloud-identities.ts";
import { Certificates } from "./certificates.ts";
import { Dispatchers } from "./dispatchers.ts";
import type { RegistryTls } from "./dispatchers.ts";
import { anonymous, findCredentials } from "./docker-config.ts";
import { defaultLayerLimits, untar } from "./layer.ts";
import type { Files, LayerLimits } from "./layer.ts";
import { chooseLayer, choosePlatform, manifestMediaTypes, ociIndex } from "./manifest.ts";
import type { Descriptor, Manifest } from "./manifest.ts";
import type { ProxySettings } from "./proxy.ts";
import { apiHost, formatReference, isDigest, parseReference } from "./reference.ts";
import { RegistryError } from "./registry-error.ts";
import { Requests } from "./requests.ts";
import {
  checkPinned,
  failed,
  manifestOf,
  maxManifestBytes,
  mediaTypeOf,
  orFailed,
  readManifest,
  refusal,
} from "./session.ts";
import type { Blob, Session } from "./session.ts";
import { repositoryWrites, type RepositoryWrites } from "./upload.ts";

/** Settings for all registries; without `proxy` connections are direct. */
export type RegistryDeps = {
  readonly clock: Clock;
  readonly random: Random;
  /** "flux-operator/0.1.0" */
  readonly userAgent: string;
  readonly proxy?: ProxySettings;
  /** With them, registries of clouds that ask for a login and have none in `dockerConfig` get one; without, access is anonymous. */
  readonly identities?: CloudIdentities;
};

/** How one registry is reached. */
export type RegistryAccess = RegistryTls & {
  /** The text of a `.dockerconfigjson`; without it access is anonymous. */
  readonly dockerConfig?: string;
  /** Plain HTTP instead of TLS. */
  readonly insecure?: boolean;
  /** For the whole call, retries included; 60 s by default. */
  readonly timeoutMs?: number;
};

/** How to pull, and what to keep. */
export type PullOptions = RegistryAccess & {
  /** Whether a file is kept; all are by default. */
  readonly keep?: (path: string) => boolean;
  readonly limits?: Partial<LayerLimits>;
};

/** What a reference names now: the digest of the manifest or index itself, which is the one to compare and to pin. */
export type Resolved = { readonly digest: string; readonly mediaType: string };

/** The tarball as it was received, for `untar`. */
export type Fetched = Resolved & {
  readonly tarball: Uint8Array;
  readonly layer: { readonly digest: string; readonly sizeBytes: number };
};

/** Reads of one repository, all within one deadline. What a digest names is checked against it. */
export type RepositoryReads = {
  /** The manifest or index by tag or digest; undefined where the registry has none. */
  readonly manifest: (name: string) => Promise<Uint8Array | undefined>;
  readonly blob: (descriptor: Pick<Descriptor, "digest" | "sizeBytes">) => Promise<Uint8Array>;
  /** What refers to `digest`, an index, which is limited to `artifactType` by some registries only; undefined where the registry has no such API. */
  readonly referrers: (digest: string, artifactType?: string) => Promise<Uint8Array | undefined>;
};

/** The files of an artifact, and its digest. */
export type Pulled = Omit<Fetched, "tarball"> & { readonly files: Files };

/** What is done with which address, and how it is reached. */
export type RegistryRequest = {
  readonly verb: "pull" | "push" | "resolve" | "verify";
  readonly reference: string;
  readonly access: RegistryAccess;
};

const defaultTimeoutMs = 60_000;

/**
 * Reads artifacts from OCI registries. One for the whole process: it shares connections, tokens, and which hosts must not be asked for a while.
 * Source: OCI distribution specification 1.1. All methods throw RegistryError, LayerError, or the signal's reason.
 */
export class Registry {
  /** Of the registries, and of the hosts that they send us to. */
  readonly certificates = new Certificates();
  readonly #clock: Clock;
  readonly #dispatchers: Dispatchers;
  readonly #direct = new Dispatchers({});
  readonly #requests: Requests;

  constructor({ clock, random, userAgent, proxy = {}, identities }: RegistryDeps) {
    this.#clock = clock;
    this.#dispatchers = new Dispatchers(proxy, this.certificates);
    const cloud = identities === undefined ? {} : { cloud: { identities, direct: this.#direct } };
    this.#requests = new Requests({ dispatchers: this.#dispatchers, clock, random, userAgent, ...cloud });
  }

  /** What `reference` ("oci://host/repository:tag") names now. One request when the registry answers HEAD with a digest, as most do. */
  async resolve(reference: string, access: RegistryAccess, signal: AbortSignal): Promise<Resolved> {
    return await this.#within({ verb: "resolve", reference, access }, signal, async (session) => {
      const head = await this.#requests.send(session, { ...manifestOf(session), method: "HEAD" });
      const digest = head.header("docker-content-digest");
      const mediaType = mediaTypeOf(head);
      if (head.status === 200 && digest !== undefined && isDigest(digest) && mediaType !== undefined) {
        checkPinned(session, digest);
        return { digest, mediaType };
      }
      // Some proxies do not support HEAD, and an answer to it never says what is wrong.
      const { digest: computed, manifest } = await this.#manifest(session);
      return { digest: computed, mediaType: manifest.mediaType };
    });
  }

  /** The files of the artifact that `reference` names. */
  async pull(reference: string, options: PullOptions, signal: AbortSignal): Promise<Pulled> {
    return await this.#within({ verb: "pull", reference, access: options }, signal, async (session) => {
      const { tarball, ...fetched } = await this.#tarball(session, options);
      const { keep, limits = {} } = options;
      const source = `artifact ${formatReference(session.reference)}`;
      const reading = { source, limits, ...(keep === undefined ? {} : { keep }) };
      return { ...fetched, files: await untar(tarball, reading, session.limits.signal) };
    });
  }

  /** The artifact that `reference` names, as a tarball whose content has not been checked. */
  async fetch(reference: string, access: RegistryAccess, signal: AbortSignal): Promise<Fetched> {
    return await this.#within({ verb: "pull", reference, access }, signal, (session) => this.#tarball(session, {}));
  }

  /** What `work` makes of reads of the repository that the request names. */
  async read<T>(
    request: RegistryRequest,
    signal: AbortSignal,
    work: (repository: RepositoryReads) => Promise<T>,
  ): Promise<T> {
    return await this.#within(request, signal, (session) =>
      work({
        manifest: (name) => this.#manifestBytes(session, name),
        blob: (descriptor) => this.#blob(session, { path: `blobs/${descriptor.digest}`, accept: "*/*", descriptor }),
        referrers: (digest, artifactType) => this.#referrers(session, digest, artifactType),
      }),
    );
  }

  /** What `work` makes of writes into the repository that the request names. */
  async write<T>(
    request: RegistryRequest,
    signal: AbortSignal,
    work: (repository: RepositoryWrites) => Promise<T>,
  ): Promise<T> {
    return await this.#within(request, signal, (session) => work(repositoryWrites(session, this.#requests)));
  }

  async close(): Promise<void> {
    await Promise.all([this.#dispatchers.close(), this.#direct.close()]);
  }

  async #within<T>(
    { verb, reference, access }: RegistryRequest,
    signal: AbortSignal,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    const parsed = parseReference(reference);
    const action = `${verb} ${formatReference(parsed)}`;
    const { timeoutMs = defaultTimeoutMs, dockerConfig, insecure = false } = access;
    const { host, repository } = parsed;
    const credentials = dockerConfig === undefined ? anonymous : findCredentials(dockerConfig, { host, repository });
    const origin = `${insecure ? "http" : "https"}://${apiHost(host)}`;
    const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
    const reason = (): RegistryError =>
      new RegistryError({
        kind: "timeout",
        message: `Cannot ${action}: ${host} takes longer than ${timeoutMs / 1000} s`,
      });
    return await withinDeadline({ timeoutMs, reason, clock: this.#clock }, signal, (own) => {
      const target: AuthTarget = {
        origin,
        repository,
        credentials,
        tls: tlsOf(access),
        action,
        pushes: verb === "push",
      };
      return work({ reference: parsed, action, target, limits: { signal: own, deadlineMs } });
    });
  }

  /** The manifest or index that the reference itself names. */
  async #manifest(session: Session): Promise<{ digest: string; manifest: Manifest }> {
    const answer = await this.#requests.get(session, { ...manifestOf(session), maxBytes: maxManifestBytes });
    const digest = sha256Digest(answer.body);
    const announced = answer.header("docker-content-digest");
    if (announced !== undefined && isDigest(announced) && announced !== digest)
      throw failed(session, "digest-mismatch", `its manifest is not ${announced}, as the registry says, but ${digest}`);
    checkPinned(session, digest);
    return { digest, manifest: readManifest(session, answer.body, mediaTypeOf(answer)) };
  }

  async #manifestBytes(session: Session, name: string): Promise<Uint8Array | undefined> {
    const ask = { path: `manifests/${name}`, accept: manifestMediaTypes.join(", "), maxBytes: maxManifestBytes };
    const answer = await this.#requests.send(session, { ...ask, method: "GET" });
    if (answer.status === 404) return undefined;
    if (answer.status >= 300) throw refusal(session, answer);
    if (isDigest(name) && sha256Digest(answer.body) !== name)
      throw failed(session, "digest-mismatch", `what came as ${name} is ${sha256Digest(answer.body)}`);
    return answer.body;
  }

  /** Source: OCI distribution specification 1.1, "Listing Referrers". Registries without it answer with many a status, or a page of their own. */
  async #referrers(session: Session, digest: string, artifactType?: string): Promise<Uint8Array | undefined> {
    const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
    const path = `referrers/${digest}${query}`;
    const ask = { path, accept: ociIndex, maxBytes: maxManifestBytes };
    const answer = await this.#requests.send(session, { ...ask, method: "GET" });
    if (answer.status < 300) return mediaTypeOf(answer) === ociIndex ? answer.body : undefined;
    if (answer.status === 401 || answer.status === 403) throw refusal(session, answer);
    return undefined;
  }

  /** The digest of every body is checked before it is read. */
  async #tarball(session: Session, { limits }: Pick<PullOptions, "limits">): Promise<Fetched> {
    const { digest, manifest } = await this.#manifest(session);
    const { digest: layerDigest, sizeBytes } = await this.#layer(session, manifest);
    const { tarballBytes } = { ...defaultLayerLimits, ...limits };
    if (sizeBytes > tarballBytes) throw failed(session, "too-large", `its layer has more than ${tarballBytes} bytes`);
    const descriptor = { digest: layerDigest, sizeBytes };
    const tarball = await this.#blob(session, { path: `blobs/${layerDigest}`, accept: "*/*", descriptor });
    return { digest, mediaType: manifest.mediaType, tarball, layer: { digest: layerDigest, sizeBytes } };
  }

  async #layer(session: Session, manifest: Manifest): Promise<Descriptor> {
    if (manifest.kind === "manifest") return orFailed(session, () => chooseLayer(manifest.layers));
    const descriptor = orFailed(session, () => choosePlatform(manifest.manifests));
    if (descriptor.sizeBytes > maxManifestBytes)
      throw failed(session, "too-large", `its manifest has more than ${maxManifestBytes} bytes`);
    const path = `manifests/${descriptor.digest}`;
    const body = await this.#blob(session, { path, accept: manifestMediaTypes.join(", "), descriptor });
    const chosen = readManifest(session, body, descriptor.mediaType);
    if (chosen.kind === "index") throw failed(session, "unsupported", "it is an index inside an index");
    return orFailed(session, () => chooseLayer(chosen.layers));
  }

  /** The content of a descriptor, size and digest checked. */
  async #blob(session: Session, { path, accept, descriptor }: Blob): Promise<Uint8Array> {
    const { digest, sizeBytes } = descriptor;
    const { body } = await this.#requests.get(session, { path, accept, maxBytes: sizeBytes, resumable: true });
    if (body.length < sizeBytes)
      throw failed(session, "truncated", `${digest} ends before the ${sizeBytes} bytes that the manifest gives it`);
    const actual = sha256Digest(body);
    if (actual !== digest) throw failed(session, "digest-mismatch", `what came as ${digest} is ${actual}`);
    return body;
  }
}

function tlsOf({ ca, cert, key }: RegistryAccess): RegistryTls {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
