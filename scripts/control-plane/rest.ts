import { Agent } from "undici";
import type { JsonValue, KubeObject } from "../../src/kube/object.ts";

export type RestResponse = { readonly status: number; readonly body: JsonValue };

export type RestOptions = {
  readonly body?: JsonValue;
  /** Of a PATCH: default `application/merge-patch+json`. */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
};

/** JSON over HTTPS to one API server. `request` gives any answer; the others throw RestError when the answer is not 2xx. */
export type Rest = AsyncDisposable & {
  request(method: string, path: string, options?: RestOptions): Promise<RestResponse>;
  get(path: string, signal?: AbortSignal): Promise<KubeObject>;
  list(path: string, signal?: AbortSignal): Promise<readonly KubeObject[]>;
  create(path: string, object: JsonValue, signal?: AbortSignal): Promise<KubeObject>;
  apply(path: string, object: JsonValue, signal?: AbortSignal): Promise<KubeObject>;
  patch(path: string, patch: JsonValue, signal?: AbortSignal): Promise<KubeObject>;
  /** An object that is not there is fine. */
  delete(path: string, signal?: AbortSignal): Promise<void>;
};

/** Answer other than 2xx. `status` is the HTTP status, `reason` that of the Status object ("" if there is none). */
export class RestError extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(what: string, response: RestResponse) {
    const { reason, message } = statusOf(response.body);
    super(`Cannot ${what}: API server answered ${response.status} ${message}`);
    this.name = "RestError";
    this.status = response.status;
    this.reason = reason;
  }
}

export type RestTarget = {
  readonly server: string;
  readonly caPem: string;
  readonly token: string;
  readonly userAgent?: string;
};

export function createRest({ server, caPem, token, userAgent = "control-plane-test" }: RestTarget): Rest {
  const agent = new Agent({ connect: { ca: caPem } });

  async function request(method: string, path: string, options: RestOptions = {}): Promise<RestResponse> {
    const answer = await agent.request({
      origin: server,
      path,
      method,
      headers: {
        accept: "application/json",
        authorization: `Bearer ${token}`,
        "user-agent": userAgent,
        ...(options.body === undefined ? {} : { "content-type": options.contentType ?? defaultContentType(method) }),
      },
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: options.signal ?? null,
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, body: parse(text) };
  }

  async function expect(method: string, path: string, options: RestOptions): Promise<KubeObject> {
    const response = await request(method, path, options);
    if (response.status >= 300 || !isObject(response.body)) throw new RestError(`${method} ${path}`, response);
    return response.body;
  }

  return {
    request,
    get: (path, signal) => expect("GET", path, withSignal(signal)),
    list: async (path, signal) => itemsOf(await expect("GET", path, withSignal(signal))),
    create: (path, object, signal) => expect("POST", path, { body: object, ...withSignal(signal) }),
    apply: (path, object, signal) =>
      expect("PATCH", `${path}?fieldManager=control-plane-test&force=true`, {
        body: object,
        contentType: "application/apply-patch+yaml",
        ...withSignal(signal),
      }),
    patch: (path, patch, signal) => expect("PATCH", path, { body: patch, ...withSignal(signal) }),
    delete: async (path, signal) => {
      const response = await request("DELETE", path, withSignal(signal));
      if (response.status >= 300 && response.status !== 404) throw new RestError(`DELETE ${path}`, response);
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

function withSignal(signal: AbortSignal | undefined): RestOptions {
  return signal === undefined ? {} : { signal };
}

function defaultContentType(method: string): string {
  return method === "PATCH" ? "application/merge-patch+json" : "application/json";
}

/** What an API server sends is JSON, but for its health endpoints. */
function parse(text: string): JsonValue {
  return text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text;
}

function isObject(body: JsonValue): body is KubeObject {
  return typeof body === "object" && body !== null && !Array.isArray(body);
}

function itemsOf(list: KubeObject): readonly KubeObject[] {
  const items = list["items"];
  return Array.isArray(items) ? items.filter(isObject) : [];
}

function statusOf(body: JsonValue): { readonly reason: string; readonly message: string } {
  if (!isObject(body)) return { reason: "", message: typeof body === "string" ? body.slice(0, 200) : "" };
  const { reason, message } = body;
  return { reason: typeof reason === "string" ? reason : "", message: typeof message === "string" ? message : "" };
}
