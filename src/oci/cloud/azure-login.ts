import { isJsonArray } from "../../std/json.ts";
import type { AzureIdentity } from "./cloud-identities.ts";
import type { CloudRegistry } from "./cloud-registry.ts";
import { ask, codeOf, formQuestion, monotonicOf, readObject, readPodToken, refused, required } from "./login.ts";
import type { Login, LoginContext } from "./login.ts";

type AzureRegistry = Extract<CloudRegistry, { kind: "azure" }>;

/** The shortest life of a refresh token that does not say how long it lives. */
const defaultLifeMs = 3_600_000;

/**
 * A login for one registry of Azure: the pod's token for one of Entra, and that for a refresh token of the registry. Throws RegistryError.
 * Source: "OAuth 2.0 client credentials flow" with a federated credential, of Microsoft's identity platform, and docs/AAD-OAuth.md of the
 * repository Azure/acr.
 */
export async function azureLogin(
  { host, audience }: AzureRegistry,
  identity: AzureIdentity,
  context: LoginContext,
): Promise<Login> {
  const accessToken = await entraToken(audience, identity, context);
  const form = { grant_type: "access_token", service: host, tenant: identity.tenantId, access_token: accessToken };
  const answer = await ask(formQuestion(new URL(`https://${host}/oauth2/exchange`), form), context);
  if (answer.status >= 300)
    throw refused(
      context,
      `${host} does not let in the Azure identity ${identity.clientId} (${codeOf(answer, undefined)}); assign it the role AcrPull on this registry`,
    );
  const token = required(readObject(answer)["refresh_token"], answer, context);
  return {
    credentials: { kind: "identity-token", token },
    expiresMs: monotonicOf(endOf(token, context), context.clock),
  };
}

async function entraToken(audience: string, identity: AzureIdentity, context: LoginContext): Promise<string> {
  const { clientId, tenantId, tokenFile, authority } = identity;
  const path = `${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
  const url = URL.canParse(path, authority) ? new URL(path, authority) : undefined;
  if (url?.protocol !== "https:")
    throw refused(context, "AZURE_AUTHORITY_HOST of the pod is no https:// address; restart the operator's pod");
  const form = {
    grant_type: "client_credentials",
    client_id: clientId,
    scope: `${audience}/.default`,
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: await readPodToken(tokenFile, context),
  };
  const answer = await ask(formQuestion(url, form), context);
  const { access_token: token, error, error_codes: codes } = readObject(answer);
  if (answer.status < 300) return required(token, answer, context);
  const code = isJsonArray(codes) && typeof codes[0] === "number" ? `AADSTS${codes[0]}` : error;
  throw refused(
    context,
    `${url.host} gives no token for the Azure identity ${clientId} (${codeOf(answer, code)}); check its federated credential for the operator's ServiceAccount, and the annotation azure.workload.identity/client-id`,
  );
}

/** When a JSON Web Token ends, by the wall clock. */
function endOf(token: string, { clock }: LoginContext): number {
  const claims = Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8");
  const seconds = Number(/"exp"\s*:\s*(\d{1,12})\b/.exec(claims)?.[1]);
  return Number.isNaN(seconds) ? clock.nowMs() + defaultLifeMs : seconds * 1000;
}
