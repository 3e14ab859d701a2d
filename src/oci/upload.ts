import { isDigest } from "./reference.ts";
import { RegistryError } from "./registry-error.ts";
import type { Requests } from "./requests.ts";
import { failed, maxManifestBytes, refusal, type Session } from "./session.ts";
import { manifestMediaTypes } from "./manifest.ts";

/** Writes into one repository, all within one deadline. Source: OCI distribution specification 1.1, "Push". */
export type RepositoryWrites = {
  /** The digest of what is stored by a tag or digest; undefined where there is nothing. */
  readonly digestOf: (name: string) => Promise<string | undefined>;
  readonly hasBlob: (digest: string) => Promise<boolean>;
  readonly putBlob: (digest: string, bytes: Uint8Array) => Promise<void>;
  /** Stores a manifest by a tag or its digest. `listsReferrers`: the registry itself lists it as a referrer of its subject. */
  readonly putManifest: (
    name: string,
    bytes: Uint8Array,
    mediaType: string,
  ) => Promise<{ readonly listsReferrers: boolean }>;
};

const uploadAttempts = 3;

/** The writes of a session. All throw RegistryError, or the signal's reason. */
export function repositoryWrites(session: Session, requests: Requests): RepositoryWrites {
  const head = async (path: string): Promise<string | undefined> => {
    const accept = manifestMediaTypes.join(", ");
    const answer = await requests.send(session, { path, accept, maxBytes: 0, method: "HEAD" });
    if (answer.status === 404) return undefined;
    if (answer.status >= 300) throw refusal(session, answer);
    return answer.header("docker-content-digest") ?? "";
  };
  return {
    digestOf: async (name) => {
      const digest = await head(`manifests/${name}`);
      if (digest === undefined || isDigest(digest)) return digest;
      return isDigest(name) ? name : undefined;
    },
    hasBlob: async (digest) => (await head(`blobs/${digest}`)) !== undefined,
    putBlob: (digest, bytes) => putBlob({ digest, bytes }, session, requests),
    putManifest: async (name, body, contentType) => {
      const ask = { path: `manifests/${name}`, accept: "*/*", maxBytes: maxManifestBytes };
      const answer = await requests.send(session, { ...ask, method: "PUT", body, contentType });
      if (answer.status >= 300) throw refusal(session, answer);
      return { listsReferrers: answer.header("oci-subject") !== undefined };
    },
  };
}

type Upload = { readonly digest: string; readonly bytes: Uint8Array };

/** An upload that broke off cannot be gone on with, so that another one is begun. */
async function putBlob(upload: Upload, session: Session, requests: Requests): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await putOnce(upload, session, requests);
    } catch (error) {
      const isLast = attempt === uploadAttempts || session.limits.signal.aborted;
      if (isLast || !(error instanceof RegistryError) || !mayPass.has(error.kind)) throw error;
    }
  }
}

const mayPass: ReadonlySet<string> = new Set(["unreachable", "truncated", "server", "not-found"]);

async function putOnce({ digest, bytes }: Upload, session: Session, requests: Requests): Promise<void> {
  const none = new Uint8Array();
  const ask = { path: "blobs/uploads/", accept: "*/*", maxBytes: maxManifestBytes };
  const begun = await requests.send(session, { ...ask, method: "POST", body: none });
  if (begun.status >= 300) throw refusal(session, begun);
  const location = begun.header("location");
  if (location === undefined || !URL.canParse(location, begun.url))
    throw failed(session, "protocol", "the registry names no address for an upload");
  const url = new URL(location, begun.url);
  if (url.protocol !== begun.url.protocol && url.protocol !== "https:")
    throw failed(session, "redirect", `the registry wants an upload to ${url.host} without encryption`);
  url.searchParams.set("digest", digest);
  const contentType = "application/octet-stream";
  const put = await requests.send(session, { ...ask, method: "PUT", body: bytes, contentType, url });
  if (put.status >= 300) throw refusal(session, put);
}
