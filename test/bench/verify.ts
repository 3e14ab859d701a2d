import { generateKeyPairSync } from "node:crypto";
import { Registry } from "../../src/oci/registry.ts";
import { SignatureChecks } from "../../src/oci/signatures/signature-checks.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startRegistry } from "../support/registry.ts";
import { pushSignatures, signBundle, signTag } from "../support/signatures.ts";
import { startWireProxy } from "../support/wire-proxy.ts";
import { toolsAbsent } from "./distribution.ts";
import type { Outcome, Row, Sample } from "./row.ts";

const note = "a key, in a local registry over plain HTTP";
const first: Row = { measure: "verify the first signature, libraries loaded with it", unit: "ms", note };
const forms = [
  { make: signTag, name: "at cosign's tag" },
  { make: signBundle, name: "in a bundle" },
].map(({ make, name }) => ({
  make,
  time: { measure: `verify one artifact, signature ${name}`, unit: "ms", note } satisfies Row,
  requests: { measure: `requests to verify one artifact, signature ${name}`, unit: "requests", note } satisfies Row,
}));
const again: Row = { measure: "verify the same artifact again", unit: "ms", note: "the same keys: nothing is asked" };
const rows = [first, ...forms.flatMap(({ time, requests }) => [time, requests]), again];
const rounds = 20;

/** What it costs to verify the signature of an artifact. */
export async function measureVerify(signal: AbortSignal): Promise<Outcome> {
  const because = await toolsAbsent(signal);
  if (because !== undefined) return { kind: "skipped", rows, because };
  return { kind: "measured", samples: await measure(signal) };
}

async function measure(signal: AbortSignal): Promise<readonly Sample[]> {
  const { publicKey, privateKey: key } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const trust = {
    keys: [{ name: "cosign.pub", text: publicKey.export({ format: "pem", type: "spki" }) }],
    remedy: "",
  };
  await using server = await startRegistry({ kind: "open" }, signal);
  await using wire = await startWireProxy({ server: `http://${server.host}` });
  const registry = new Registry({ clock: systemClock, random: Math.random, userAgent: "flux-operator/bench" });
  const host = wire.server.replace("http://", "");
  const samples: Sample[] = [];
  const timed = async (row: Row, digest: string, checks = new SignatureChecks(registry)): Promise<SignatureChecks> => {
    const startMs = performance.now();
    await checks.check({ reference: `oci://${host}/bench@${digest}`, digest }, trust, { insecure: true }, signal);
    samples.push({ row, value: performance.now() - startMs });
    return checks;
  };
  try {
    for (const [at, { make, time, requests }] of forms.entries()) {
      const digest = `sha256:${String(at).repeat(64)}`;
      await pushSignatures({ host: server.host, repository: "bench" }, [make({ key, digest })]);
      if (at === 0) await timed(first, digest);
      for (let round = 0; round < rounds; round += 1) {
        const before = wire.requests.length;
        const checks = await timed(time, digest);
        samples.push({ row: requests, value: wire.requests.length - before });
        await timed(again, digest, checks);
      }
    }
  } finally {
    await registry.close();
  }
  return samples;
}
