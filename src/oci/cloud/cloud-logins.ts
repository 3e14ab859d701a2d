import { UnreachableError } from "../../std/errors.ts";
import { anonymous } from "../docker-config.ts";
import { awsLogin } from "./aws-login.ts";
import { azureLogin } from "./azure-login.ts";
import type { CloudIdentities } from "./cloud-identities.ts";
import type { CloudRegistry } from "./cloud-registry.ts";
import { googleLogin } from "./google-login.ts";
import type { Login, LoginContext } from "./login.ts";

/** Credentials are used only until so long before their end. */
const marginMs = 60_000;
const maxKept = 64;

const noLogin: Login = { credentials: anonymous, expiresMs: Number.POSITIVE_INFINITY };

/** Logins at cloud registries with the identities of this process, each kept for its one host until shortly before its end. */
export class CloudLogins {
  readonly #identities: CloudIdentities;
  readonly #kept = new Map<string, Login>();
  readonly #pending = new Map<string, Promise<Login>>();

  constructor(identities: CloudIdentities) {
    this.#identities = identities;
  }

  /** Anonymous where this process has no identity in the registry's cloud. Throws RegistryError, or the signal's reason. */
  async find(registry: CloudRegistry, context: LoginContext): Promise<Login> {
    const { host } = registry;
    // One login at a time serves all who wait for it; if it fails, each tries itself.
    for (let other = this.#pending.get(host); other !== undefined; other = this.#pending.get(host))
      await Promise.allSettled([other]);
    const kept = this.#kept.get(host);
    if (kept !== undefined && kept.expiresMs > context.clock.monotonicMs()) return kept;
    const pending = this.#logIn(registry, context);
    this.#pending.set(host, pending);
    try {
      const { credentials, expiresMs } = await pending;
      const login = { credentials, expiresMs: expiresMs - marginMs };
      this.#keep(host, login);
      return login;
    } finally {
      this.#pending.delete(host);
    }
  }

  /** To be called when the registry has refused what was kept. */
  forget({ host }: CloudRegistry): void {
    this.#kept.delete(host);
  }

  #keep(host: string, login: Login): void {
    this.#kept.delete(host);
    this.#kept.set(host, login);
    const oldest = this.#kept.keys().next();
    if (this.#kept.size > maxKept && oldest.done !== true) this.#kept.delete(oldest.value);
  }

  async #logIn(registry: CloudRegistry, context: LoginContext): Promise<Login> {
    const { aws, azure, googleMetadata } = this.#identities;
    switch (registry.kind) {
      case "aws":
        return aws === undefined ? noLogin : await awsLogin(registry, aws, context);
      case "azure":
        return azure === undefined ? noLogin : await azureLogin(registry, azure, context);
      case "google":
        return await googleLogin(googleMetadata, context);
      default:
        throw new UnreachableError(registry);
    }
  }
}
