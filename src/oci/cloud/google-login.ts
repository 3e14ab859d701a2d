import { withinDeadline } from "../../std/deadline.ts";
import { anonymous } from "../docker-config.ts";
import type { ExchangeAnswer } from "../exchange.ts";
import { RegistryError } from "../registry-error.ts";
import { ask, codeOf, readObject, refused, required } from "./login.ts";
import type { Login, LoginContext } from "./login.ts";

/** A metadata server is beside the pod: one that takes longer is not there. */
const answerMs = 3_000;
/** For how long it is remembered that there is none. */
const absentMs = 300_000;

/**
 * A login for the registries of Google with the token of the pod's service account, from the metadata server at `origin`; anonymous where
 * there is no such server, or where it knows no service account. Throws RegistryError. Source: "Authenticate workloads to Google Cloud APIs using service accounts"
 * of Compute Engine, and "Configure authentication to Artifact Registry for Docker".
 */
export async function googleLogin(origin: string, context: LoginContext): Promise<Login> {
  const { clock } = context;
  const answer = await askMetadata(origin, context);
  if (answer === undefined || answer.status === 404 || answer.header("metadata-flavor") !== "Google")
    return { credentials: anonymous, expiresMs: clock.monotonicMs() + absentMs };
  if (answer.status >= 300)
    throw refused(
      context,
      `${answer.url.host} gives no token for the operator's ServiceAccount (${codeOf(answer, undefined)}); let it act for the Google service account that its annotation iam.gke.io/gcp-service-account names (roles/iam.workloadIdentityUser)`,
    );
  const { access_token: token, expires_in: seconds } = readObject(answer);
  const lifeMs = typeof seconds === "number" ? seconds * 1000 : 0;
  return {
    credentials: { kind: "password", username: "oauth2accesstoken", password: required(token, answer, context) },
    expiresMs: clock.monotonicMs() + lifeMs,
  };
}

/** Undefined where no server answers. */
async function askMetadata(origin: string, context: LoginContext): Promise<ExchangeAnswer | undefined> {
  const { clock, direct, limits } = context;
  const url = new URL("/computeMetadata/v1/instance/service-accounts/default/token", origin);
  const reason = (): RegistryError =>
    new RegistryError({ kind: "timeout", message: `Cannot ${context.action}: ${url.host} does not answer` });
  try {
    return await withinDeadline({ timeoutMs: answerMs, reason, clock }, limits.signal, async (signal) => {
      // One attempt: no other starts after the deadline.
      const once = { ...context, limits: { signal, deadlineMs: clock.monotonicMs() } };
      return await ask({ method: "GET", url, headers: { "metadata-flavor": "Google" } }, once, direct);
    });
  } catch (error) {
    limits.signal.throwIfAborted();
    if (error instanceof RegistryError && (error.kind === "unreachable" || error.kind === "timeout")) return undefined;
    throw error;
  }
}
