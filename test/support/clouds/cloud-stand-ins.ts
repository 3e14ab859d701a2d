import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { buffer } from "node:stream/consumers";
import { createAuthority, issueCertificate } from "../../../scripts/control-plane/certificates.ts";
import { awsRoles } from "./aws.ts";
import { azureRoles } from "./azure.ts";
import {
  basicOf,
  Cloud,
  cloudHosts,
  type Answer,
  type CloudRequest,
  type CloudSecret,
  type CloudTrouble,
  type Role,
} from "./cloud.ts";
import { googleRoles } from "./google.ts";

export type CloudStandIns = AsyncDisposable & {
  /** "http://127.0.0.1:<port>": a proxy through which, and only through which, the hosts are reached. */
  readonly proxy: string;
  /** What clients must trust. */
  readonly caPem: string;
  /** Origin of Google's metadata server, and URL of the EKS Pod Identity agent: both on the machine itself. */
  readonly metadata: string;
  readonly podIdentityAgent: string;
  readonly requests: readonly CloudRequest[];
  readonly secrets: readonly CloudSecret[];
  /** A token of the operator's pod as its cluster issues it, to be shown to one host only. */
  podToken(token: { readonly audience: string; readonly shownTo: string; readonly lifeSeconds?: number }): string;
  /** Lets the registries forget all logins that they gave. */
  revoke(): void;
  trouble: CloudTrouble | undefined;
  /** Whether the repositories of Google are public. */
  servesEveryone: boolean;
};

/**
 * STS, ECR, Entra, Azure Container Registry, Artifact Registry, Google's metadata server and the EKS Pod Identity agent, as far as a login
 * needs them: each checks what it is given as the cloud does (signatures of tokens, their audience and end; Signature Version 4 and its time),
 * and gives out new secrets every time. The three registries serve what the open registry at `upstream` has.
 */
export async function startCloudStandIns(upstream: string): Promise<CloudStandIns> {
  const cloud = new Cloud();
  const [aws, google] = [awsRoles(cloud), googleRoles(cloud)];
  const roles: Readonly<Record<string, Role>> = {
    ...aws.hosts,
    ...azureRoles(cloud),
    ...google.hosts,
    [cloudHosts.storage]: asItIs,
  };
  const authority = createAuthority("of the clouds");
  const subject = { kind: "server", commonName: "clouds", names: Object.values(cloudHosts) } as const;
  const { certPem, keyPem } = issueCertificate(authority, subject);
  const clouds = createTlsServer({ key: keyPem, cert: certPem }, async (incoming, response) => {
    const body = await buffer(incoming);
    const request = recordOf(incoming, body);
    cloud.requests.push(request);
    const isBlob = /^GET \S+\/blobs\//.test(request.line) && request.host !== cloudHosts.storage;
    const answer = roles[request.host]?.(request) ?? (isBlob ? redirected(request) : undefined);
    if (answer === undefined) forward({ request, body, response, upstream });
    else response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  const local = createServer(async (incoming, response) => {
    const request = recordOf(incoming, await buffer(incoming));
    cloud.requests.push(request);
    const answer = request.line.includes("computeMetadata") ? google.metadata : aws.agent;
    const { status, headers, body } = answer(request);
    response.writeHead(status, headers).end(body);
  });
  const proxy = createServer((_request, response) => void response.writeHead(400).end());
  proxy.on("connect", ({ url = "" }: IncomingMessage, socket) => {
    const name = url.replace(/:443$/, "");
    if (roles[name] === undefined) {
      socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      return;
    }
    const there = connect(portOf(clouds), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      there.pipe(socket).pipe(there);
    });
    there.on("error", () => socket.destroy());
    socket.on("error", () => there.destroy());
  });
  const servers = [clouds, local, proxy];
  await Promise.all(servers.map((server) => once(server.listen(0, "127.0.0.1"), "listening")));
  const origin = `http://127.0.0.1:${portOf(local)}`;
  return {
    proxy: `http://127.0.0.1:${portOf(proxy)}`,
    caPem: authority.certPem,
    metadata: origin,
    podIdentityAgent: `${origin}/v1/credentials`,
    requests: cloud.requests,
    secrets: cloud.secrets,
    podToken: ({ audience, shownTo, lifeSeconds }) => {
      const claims = { aud: audience, sub: "system:serviceaccount:flux-system:flux-operator" };
      return cloud.secret("pod token", cloud.cluster.issue(claims, lifeSeconds), shownTo);
    },
    revoke: () => cloud.forgetLogins(),
    get trouble() {
      return cloud.trouble;
    },
    set trouble(next) {
      cloud.trouble = next;
    },
    get servesEveryone() {
      return cloud.servesEveryone;
    },
    set servesEveryone(next) {
      cloud.servesEveryone = next;
    },
    [Symbol.asyncDispose]: async () => {
      const ends = servers.map((server) => once(server, "close"));
      servers.forEach((server) => {
        server.closeAllConnections();
        server.close();
      });
      await Promise.all(ends);
    },
  };
}

const asItIs: Role = () => undefined;

/** Each secret that a request carried to a host that must not see it, by names alone. */
export function strayed({ requests, secrets }: Pick<CloudStandIns, "requests" | "secrets">): readonly string[] {
  return requests.flatMap((request) => {
    const { host, line, headers, body } = request;
    const texts = [
      line,
      JSON.stringify(headers),
      body,
      [...new URLSearchParams(body).values()].join("\n"),
      basicOf(headers.authorization) ?? "",
    ];
    return secrets
      .filter(({ value, hosts }) => !hosts.includes(host) && texts.some((text) => text.includes(value)))
      .map(({ name }) => `${name} went to ${host}`);
  });
}

function recordOf({ method = "", url = "", headers }: IncomingMessage, body: Buffer): CloudRequest {
  return { host: headers.host ?? "", line: `${method} ${url}`, headers, body: body.toString("latin1") };
}

function redirected({ line }: CloudRequest): Answer {
  const { pathname } = new URL(line.split(" ")[1] ?? "", "http://unused");
  return {
    status: 307,
    headers: {
      location: `https://${cloudHosts.storage}${pathname}?signature=${createHash("sha256").update(pathname).digest("hex")}`,
    },
  };
}

type Forwarding = {
  readonly request: CloudRequest;
  readonly body: Buffer;
  readonly response: ServerResponse;
  readonly upstream: string;
};

/** As the proxy in front of a registry does, so that the addresses that it gives are its public ones. */
function forward({ request, body, response, upstream }: Forwarding): void {
  const [method = "", url = ""] = request.line.split(" ");
  const { authorization: _, connection: __, "transfer-encoding": ___, ...others } = request.headers;
  const headers = { ...others, "x-forwarded-proto": "https", "content-length": body.length };
  const there = httpRequest(`http://${upstream}${url}`, { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  there.on("error", () => response.destroy());
  there.end(body);
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
