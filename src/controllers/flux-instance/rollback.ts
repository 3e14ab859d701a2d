import { fieldsOf } from "../../kube/fields.ts";
import { ReasonedError } from "../../std/errors.ts";
import type { Target } from "./decide.ts";
import type { LastGood, LastGoodState } from "./last-good.ts";
import type { LastGoodStore } from "./last-good-store.ts";
import type { World } from "./world.ts";

/** Records `target` as what is good from now on. A record that cannot be written takes nothing from the success: its state says so. */
export async function keepGood(
  world: World,
  target: Target,
  store: Pick<LastGoodStore, "write">,
  signal: AbortSignal,
): Promise<LastGoodState> {
  const good = goodOf(world, target);
  try {
    await store.write(world.instance, { good }, world.lastGood, signal);
    return { kind: "known", good };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ReasonedError)) throw error;
    return { kind: "damaged", message: error.message };
  }
}

function goodOf({ instance, generation }: World, { release, rendering, artifactRevision }: Target): LastGood {
  const { version, revision } = rendering;
  const spec = fieldsOf(instance["spec"]);
  return {
    spec,
    release,
    version,
    revision,
    generation,
    ...(artifactRevision === undefined ? {} : { artifactRevision }),
  };
}
