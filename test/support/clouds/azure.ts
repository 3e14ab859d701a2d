import { randomUUID } from "node:crypto";
import {
  azureClient,
  cloudHosts,
  issuer,
  json,
  type Answer,
  type Cloud,
  type CloudRequest,
  type Role,
} from "./cloud.ts";

/** Entra, and a registry of Azure. */
export function azureRoles(cloud: Cloud): Readonly<Record<string, Role>> {
  const entra = issuer("https://login.microsoftonline.com");
  const entraToken = ({ line, body }: CloudRequest): Answer => {
    const form = new URLSearchParams(body);
    const { clientId, tenantId } = azureClient;
    const claims = cloud.cluster.claimsOf(form.get("client_assertion") ?? "", "api://AzureADTokenExchange");
    const isRight =
      line === `POST /${tenantId}/oauth2/v2.0/token` &&
      form.get("client_id") === clientId &&
      form.get("grant_type") === "client_credentials" &&
      form.get("client_assertion_type") === "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    if (!isRight) return refused(700016);
    if (claims === "expired") return refused(700024);
    if (typeof claims === "string") return refused(700212);
    if (cloud.trouble === "no trust") return refused(700213);
    const audience = (form.get("scope") ?? "").replace(/\/\.default$/, "");
    const token = entra.issue({ aud: audience, tid: tenantId });
    return json(200, {
      token_type: "Bearer",
      expires_in: 3599,
      access_token: cloud.secret("token of Entra", token, cloudHosts.acr),
    });
  };

  const acr = (request: CloudRequest): Answer | undefined => {
    const { line, body } = request;
    const form = new URLSearchParams(body);
    const service = cloudHosts.acr;
    if (line === "POST /oauth2/exchange") {
      const claims = entra.claimsOf(form.get("access_token") ?? "", "https://containerregistry.azure.net");
      const isRight =
        form.get("grant_type") === "access_token" && form.get("service") === service && cloud.trouble !== "no login";
      if (typeof claims === "string" || !isRight || form.get("tenant") !== azureClient.tenantId)
        return json(401, { errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] });
      const token = cloud.registries.issue({ aud: service, grant: "refresh" }, 3 * 3600);
      return json(200, { refresh_token: cloud.secret("refresh token of ACR", token, service) });
    }
    if (line === "POST /oauth2/token") {
      const claims = cloud.registries.claimsOf(form.get("refresh_token") ?? "", service);
      if (typeof claims === "string" || claims["grant"] !== "refresh" || form.get("grant_type") !== "refresh_token")
        return json(401, { errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] });
      const token = cloud.registries.issue({ aud: service, grant: "access", scope: form.get("scope") ?? "" });
      cloud.allow(service, token);
      return json(200, { access_token: cloud.secret("access token of ACR", token, service) });
    }
    // Without a login, a registry of Azure gives no token.
    if (line.startsWith("GET /oauth2/token")) return json(401, { errors: [{ code: "UNAUTHORIZED" }] });
    return cloud.answerBearer(request, { realm: `https://${service}/oauth2/token`, service });
  };

  return { [cloudHosts.entra]: entraToken, [cloudHosts.acr]: acr };
}

function refused(code: number): Answer {
  return json(401, {
    error: "invalid_client",
    error_description: `AADSTS${code}: ${randomUUID()}`,
    error_codes: [code],
  });
}
