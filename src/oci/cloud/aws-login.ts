import { isIP } from "node:net";

import { isJsonArray, isJsonObject } from "../../std/json.ts";
import { signAwsRequest } from "./aws-signature.ts";
import type { AwsKeys } from "./aws-signature.ts";
import type { AwsIdentity } from "./cloud-identities.ts";
import type { CloudRegistry } from "./cloud-registry.ts";
import { ask, codeOf, formQuestion, monotonicOf, readObject, readPodToken, refused, required } from "./login.ts";
import type { Login, LoginContext } from "./login.ts";

type AwsRegistry = Extract<CloudRegistry, { kind: "aws" }>;
type WebIdentity = Extract<AwsIdentity, { kind: "web-identity" }>;
type PodIdentity = Extract<AwsIdentity, { kind: "pod-identity" }>;

/**
 * A login for one registry of ECR. Throws RegistryError. Source: AssumeRoleWithWebIdentity of the AWS STS API reference, GetAuthorizationToken
 * of the Amazon ECR API reference.
 */
export async function awsLogin(registry: AwsRegistry, identity: AwsIdentity, context: LoginContext): Promise<Login> {
  const keys =
    identity.kind === "web-identity"
      ? await assumeRole(identity, registry, context)
      : await askPodIdentityAgent(identity, context);
  return await getAuthorizationToken(registry, keys, context);
}

async function assumeRole(identity: WebIdentity, registry: AwsRegistry, context: LoginContext): Promise<AwsKeys> {
  const { roleArn, tokenFile, region = registry.region } = identity;
  const url = new URL(`https://sts.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}/`);
  const form = {
    Action: "AssumeRoleWithWebIdentity",
    Version: "2011-06-15",
    RoleArn: roleArn,
    RoleSessionName: "flux-operator",
    WebIdentityToken: await readPodToken(tokenFile, context),
  };
  const answer = await ask(formQuestion(url, form), context);
  const element = elementsOf(Buffer.from(answer.body).toString("utf8"));
  if (answer.status >= 300) {
    const code = codeOf(answer, element("Code"));
    throw refused(
      context,
      `${url.host} does not give the operator's ServiceAccount the role ${roleArn} (${code}); check the trust policy of the role, and the annotation eks.amazonaws.com/role-arn`,
    );
  }
  return {
    accessKeyId: required(element("AccessKeyId"), answer, context),
    secretAccessKey: required(element("SecretAccessKey"), answer, context),
    sessionToken: required(element("SessionToken"), answer, context),
  };
}

/** STS answers in XML; what is read of it are single words without entities. */
function elementsOf(xml: string): (name: string) => string | undefined {
  return (name) => new RegExp(`<${name}>([^<&]+)</${name}>`).exec(xml)?.[1];
}

/** Hosts that AWS's SDKs take for an agent without TLS. */
const agentHosts: ReadonlySet<string> = new Set([
  "169.254.170.2",
  "169.254.170.23",
  "[fd00:ec2::23]",
  "localhost",
  "[::1]",
]);

async function askPodIdentityAgent({ url: text, tokenFile }: PodIdentity, context: LoginContext): Promise<AwsKeys> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLocal = url !== undefined && (agentHosts.has(url.hostname) || isLoopback(url.hostname));
  if (url === undefined || !(url.protocol === "https:" || (url.protocol === "http:" && isLocal)))
    throw refused(context, "AWS_CONTAINER_CREDENTIALS_FULL_URI of the pod is no address of an agent on this node");
  const authorization = await readPodToken(tokenFile, context);
  const headers = { accept: "application/json" };
  const answer = await ask({ method: "GET", url, headers, authorization }, context, context.direct);
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: token } = readObject(answer);
  if (answer.status >= 300)
    throw refused(
      context,
      `the EKS Pod Identity agent at ${url.host} gives no credentials (${codeOf(answer, undefined)}); check the Pod Identity association of the operator's ServiceAccount`,
    );
  return {
    accessKeyId: required(accessKeyId, answer, context),
    secretAccessKey: required(secretAccessKey, answer, context),
    sessionToken: required(token, answer, context),
  };
}

function isLoopback(hostname: string): boolean {
  return isIP(hostname) === 4 && hostname.startsWith("127.");
}

const tokenTarget = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";

/** What to do, by the error of ECR, where it is not about rights. */
const ecrRemedies: { readonly [type: string]: string | undefined } = {
  InvalidSignatureException: "check the clock of the operator's node",
  ThrottlingException: "it limits requests and is asked again",
};

async function getAuthorizationToken(
  { region, api }: AwsRegistry,
  keys: AwsKeys,
  context: LoginContext,
): Promise<Login> {
  const body = "{}";
  const request = {
    method: "POST",
    host: api,
    headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": tokenTarget },
    body,
    region,
    service: "ecr",
  } as const;
  const signed = signAwsRequest(request, keys, context.clock.nowMs());
  const answer = await ask({ method: "POST", url: new URL(`https://${api}/`), body, ...signed }, context);
  const { authorizationData, __type: type } = readObject(answer);
  if (answer.status >= 300) {
    const remedy = ecrRemedies[typeof type === "string" ? type : ""] ?? "allow its IAM role ecr:GetAuthorizationToken";
    throw refused(context, `${api} gives the operator no login (${codeOf(answer, type)}); ${remedy}`);
  }
  const first = isJsonArray(authorizationData) ? authorizationData[0] : undefined;
  const { authorizationToken, expiresAt } = isJsonObject(first) ? first : {};
  const login = Buffer.from(required(authorizationToken, answer, context), "base64").toString("utf8");
  const colon = login.indexOf(":");
  const password = required(login.slice(colon + 1), answer, context);
  const untilMs = typeof expiresAt === "number" ? expiresAt * 1000 : context.clock.nowMs();
  return {
    credentials: { kind: "password", username: login.slice(0, Math.max(colon, 0)), password },
    expiresMs: monotonicOf(untilMs, context.clock),
  };
}
