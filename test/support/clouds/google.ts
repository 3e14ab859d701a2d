import {
  basicOf,
  bearerOf,
  cloudHosts,
  json,
  random,
  type Answer,
  type Cloud,
  type CloudRequest,
  type Role,
} from "./cloud.ts";

/** Artifact Registry, and the metadata server, which is no host of the net. */
export function googleRoles(cloud: Cloud): {
  readonly hosts: Readonly<Record<string, Role>>;
  readonly metadata: (request: CloudRequest) => Answer;
} {
  const google = (request: CloudRequest): Answer | undefined => {
    const { line, headers } = request;
    const service = cloudHosts.google;
    if (line.startsWith("GET /v2/token?")) {
      const password = basicOf(headers.authorization)?.replace(/^oauth2accesstoken:/, "");
      if (password !== undefined && !cloud.isAllowed("accounts", password))
        return json(401, { errors: [{ code: "UNAUTHORIZED", message: "invalid token" }] });
      const scope = new URLSearchParams(line.split("?")[1]).get("scope") ?? "";
      // Without a login Google gives a token too, which is good for what is public.
      const token = cloud.registries.issue({ aud: service, scope, anonymous: password === undefined });
      cloud.allow(service, token);
      return json(200, { token: cloud.secret("token of Artifact Registry", token, service), expires_in: 3600 });
    }
    const realm = `https://${service}/v2/token`;
    const answer = cloud.answerBearer(request, { realm, service });
    if (answer !== undefined) return answer;
    const claims = cloud.registries.claimsOf(bearerOf(headers.authorization), service);
    if (typeof claims === "string" || claims["anonymous"] !== true || cloud.servesEveryone) return undefined;
    return json(403, { errors: [{ code: "DENIED", message: "Unauthenticated request" }] });
  };

  const metadata = ({ line, headers }: CloudRequest): Answer => {
    const path = "GET /computeMetadata/v1/instance/service-accounts/default/token";
    const flavor = { "metadata-flavor": "Google" };
    if (line !== path || headers["metadata-flavor"] !== "Google") return { status: 403 };
    if (cloud.trouble === "no trust") return { status: 403, headers: flavor, body: "Unable to generate access token" };
    const token = cloud.allow("accounts", cloud.secret("access token of Google", random(), cloudHosts.google));
    return { ...json(200, { access_token: token, expires_in: 3600, token_type: "Bearer" }), headers: flavor };
  };

  return { hosts: { [cloudHosts.google]: google }, metadata };
}
