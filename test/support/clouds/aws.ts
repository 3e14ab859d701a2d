import { randomBytes } from "node:crypto";
import { signAwsRequest, type AwsKeys } from "../../../src/oci/cloud/aws-signature.ts";
import {
  basicOf,
  cloudHosts,
  json,
  random,
  roleArn,
  type Answer,
  type Cloud,
  type CloudRequest,
  type Role,
} from "./cloud.ts";

/** STS, the API of ECR, ECR itself, and the EKS Pod Identity agent, which is no host of the net. */
export function awsRoles(cloud: Cloud): {
  readonly hosts: Readonly<Record<string, Role>>;
  readonly agent: (request: CloudRequest) => Answer;
} {
  const awsKeys = new Map<string, AwsKeys>();
  const newAwsKeys = (): AwsKeys => {
    const keys = {
      accessKeyId: `ASIA${randomBytes(8).toString("hex").toUpperCase()}`,
      secretAccessKey: cloud.secret("secret access key", random()),
      sessionToken: cloud.secret("session token", `${random()}+/==`, cloudHosts.ecrApi),
    };
    awsKeys.set(keys.accessKeyId, keys);
    return keys;
  };

  const sts = ({ body }: CloudRequest): Answer => {
    const form = new URLSearchParams(body);
    const claims = cloud.cluster.claimsOf(form.get("WebIdentityToken") ?? "", "sts.amazonaws.com");
    const asked = [form.get("Action"), form.get("Version"), form.get("RoleSessionName")].join(" ");
    if (asked !== "AssumeRoleWithWebIdentity 2011-06-15 flux-operator") return xmlError(400, "ValidationError");
    if (claims === "expired") return xmlError(400, "ExpiredTokenException");
    if (claims === "wrong") return xmlError(400, "InvalidIdentityToken");
    if (cloud.trouble === "no trust" || form.get("RoleArn") !== roleArn) return xmlError(403, "AccessDenied");
    const { accessKeyId, secretAccessKey, sessionToken } = newAwsKeys();
    return {
      status: 200,
      headers: { "content-type": "text/xml" },
      body: `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
        <Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey><SessionToken>${sessionToken}</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials>
        </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
    };
  };

  const agent = ({ headers }: CloudRequest): Answer => {
    const claims = cloud.cluster.claimsOf(headers.authorization ?? "", "pods.eks.amazonaws.com");
    if (typeof claims === "string" || cloud.trouble === "no trust")
      return { status: 400, body: "AccessDeniedException" };
    const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token } = newAwsKeys();
    return json(200, { AccessKeyId, SecretAccessKey, Token: Token ?? "", AccountId: "123456789012" });
  };

  const ecrApi = ({ headers, body }: CloudRequest): Answer => {
    const target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
    if (headers["x-amz-target"] !== target) return json(400, { __type: "UnknownOperationException" });
    const fault = signatureFault({ headers, body }, awsKeys);
    if (fault !== undefined) return json(400, { __type: fault, message: `${fault} at ${new Date().toISOString()}` });
    if (cloud.trouble === "no login") return json(400, { __type: "AccessDeniedException", message: "not authorized" });
    const password = cloud.allow(cloudHosts.ecr, cloud.secret("password of ECR", random(), cloudHosts.ecr));
    const authorizationToken = Buffer.from(`AWS:${password}`).toString("base64");
    const expiresAt = Date.now() / 1000 + 12 * 3600;
    return json(200, {
      authorizationData: [{ authorizationToken, expiresAt, proxyEndpoint: `https://${cloudHosts.ecr}` }],
    });
  };

  const ecr = ({ headers }: CloudRequest): Answer | undefined => {
    const password = basicOf(headers.authorization)?.replace(/^AWS:/, "");
    const challenge = `Basic realm="https://${cloudHosts.ecr}/",service="ecr.amazonaws.com"`;
    if (password === undefined || !cloud.isAllowed(cloudHosts.ecr, password))
      return { status: 401, headers: { "www-authenticate": challenge }, body: "Not Authorized" };
    if (cloud.trouble !== "no right") return undefined;
    return json(403, { errors: [{ code: "DENIED", message: "not authorized to perform: ecr:BatchGetImage" }] });
  };

  return { hosts: { [cloudHosts.sts]: sts, [cloudHosts.ecrApi]: ecrApi, [cloudHosts.ecr]: ecr }, agent };
}

/** The name of AWS's error for a signature that is not right; the signer is held to AWS's own vectors by its test. */
function signatureFault(
  { headers, body }: Pick<CloudRequest, "headers" | "body">,
  known: ReadonlyMap<string, AwsKeys>,
): string | undefined {
  const text = (name: string): string => String(headers[name] ?? "");
  const [, id = "", day = "", signedNames = ""] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/eu-west-1\/ecr\/aws4_request, SignedHeaders=([^,]+), /.exec(
      text("authorization"),
    ) ?? [];
  const keys = known.get(id);
  if (keys === undefined) return "UnrecognizedClientException";
  const date = text("x-amz-date");
  const nowMs = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  if (Math.abs(nowMs - Date.now()) > 15 * 60_000 || !date.startsWith(day)) return "InvalidSignatureException";
  const own = new Set(["host", "x-amz-date", "x-amz-security-token"]);
  const signed = signedNames.split(";").filter((name) => !own.has(name));
  const request = {
    method: "POST",
    host: text("host"),
    headers: Object.fromEntries(signed.map((name) => [name, text(name)])),
    body,
    region: "eu-west-1",
    service: "ecr",
  } as const;
  const wanted = signAwsRequest(request, keys, nowMs);
  const isSigned = wanted.authorization === text("authorization") && text("x-amz-security-token") === keys.sessionToken;
  return isSigned ? undefined : "InvalidSignatureException";
}

function xmlError(status: number, code: string): Answer {
  const said = `<Message>${code} at ${new Date().toISOString()}</Message>`;
  return {
    status,
    body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code>${said}</Error></ErrorResponse>`,
  };
}
