// Tests: src/controllers/flux-instance/rollback.test.ts
import { fieldsOf } from "../../kube/fields.ts";
import type { Target } from "../../render/target.ts";
import type { LastGood } from "./last-good.ts";
import type { World } from "./world.ts";

/** What is recorded of `target` once it is applied and healthy. */
export function lastGoodOf(
  { instance, generation }: World,
  { release, rendering, artifactRevision }: Target,
): LastGood {
  const { version, revision, digests } = rendering;
  const origin = {
    ...(artifactRevision === undefined ? {} : { artifactRevision }),
    ...(digests === undefined ? {} : { digests }),
  };
  return { spec: fieldsOf(instance["spec"]), release, version, revision, generation, ...origin };
}
