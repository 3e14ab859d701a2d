/** Until when the TLS certificates of the hosts that were connected to are valid. Those seen last are kept. */
export class Certificates {
  readonly #expiryMs = new Map<string, number>();

  /** Takes note of what a host has shown. `validTo` is as Node writes it: "Nov 27 21:16:00 2027 GMT". */
  saw(hostname: string, validTo: string): void {
    const expiryMs = Date.parse(validTo);
    this.#expiryMs.delete(hostname);
    if (Number.isNaN(expiryMs)) return;
    this.#expiryMs.set(hostname, expiryMs);
    const oldest = this.#expiryMs.keys().next();
    if (this.#expiryMs.size > keptHosts && oldest.done !== true) this.#expiryMs.delete(oldest.value);
  }

  /** By a host with or without its port ("ghcr.io", "[::1]:5000"): hosts of the same name count as one. Undefined where none was seen. */
  expiryMs(host: string): number | undefined {
    return this.#expiryMs.get(hostnameOf(host));
  }
}

/** Blobs come from other hosts than the registry, too. */
const keptHosts = 64;

function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}
