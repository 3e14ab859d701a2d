// Tests: src/controllers/flux-instance/preflight/judge.test.ts, test/integration/preflight.test.ts
import { inventoryOf } from "../../../apply/inventory.ts";
import { lastGoodOf } from "../last-good-of.ts";
import { lastGoodBytes, longestBytes } from "../last-good.ts";
import { refuse, warn, type Finding, type Subject } from "./subject.ts";

/** What etcd takes in one request by default (--max-request-bytes), which the API server can only pass on. */
const storedKib = 1_536;
/** For what the status has besides its inventory, and for the managedFields of all. */
const roomKib = 64;

/**
 * Refuses an instance that has no room for its own status: the status is written before all else, and once more when all is done. Warns where the
 * record of the last good revision has no room, so that a failed upgrade is not rolled back.
 */
export function judgeSizes({ world, target }: Subject): readonly Finding[] {
  const { instance } = world;
  const written = { spec: instance["spec"] ?? null, annotations: instance.metadata.annotations ?? {} };
  const instanceKib = kibOf(written) + kibOf(inventoryOf(target.rendering.objects)) + roomKib;
  if (instanceKib > storedKib) {
    return [
      refuse(
        `the FluxInstance would take ${instanceKib} KiB with its status, and the API server stores at most ${storedKib} KiB of an object; shorten spec.kustomize.patches, or have fewer shards`,
      ),
    ];
  }
  if (!target.spec.upgrade.rollback) return [];
  const recordBytes = lastGoodBytes({ good: lastGoodOf(world, target) });
  if (recordBytes <= longestBytes) return [];
  return [
    warn(
      `a failed upgrade will not be rolled back: the record of what was healthy takes ${Math.ceil(recordBytes / 1024)} of at most ${longestBytes / 1024} KiB; shorten spec.kustomize.patches`,
    ),
  ];
}

function kibOf(value: unknown): number {
  return Math.ceil(Buffer.byteLength(JSON.stringify(value)) / 1024);
}
