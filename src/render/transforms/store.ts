import type { StorageSpec } from "../../api/spec.ts";
import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../kube/object.ts";
import { nameObject } from "../../kube/object-id.ts";
import { editManager, podSpec } from "../deployment.ts";
import { type ControllerDraft, type Draft, isController, type RenderContext } from "../draft.ts";
import { edit, readField, setField } from "../edit.ts";
import { notUnderstood, unknownShape } from "../errors.ts";

const artifactPath = "/data";

/**
 * Stores the artifacts of source-controller on a PersistentVolumeClaim, and those of its shards when `sharding.storage` is persistent. Other
 * shards keep their emptyDir.
 */
export function store(drafts: readonly Draft[], context: RenderContext): readonly Draft[] {
  const { storage, sharding } = context.spec;
  if (storage === undefined) return drafts;
  return drafts.flatMap((draft) => {
    if (!isController(draft) || draft.component !== "source-controller") return [draft];
    if (draft.shard === undefined) return [mainOnClaim(draft, context), claim(draft, storage)];
    return sharding?.storage === "persistent" ? [shardOnClaim(draft, context), claim(draft, storage)] : [draft];
  });
}

/** The main pod keeps its emptyDir unused, so that list positions in users' patches stay the same. */
function mainOnClaim(draft: ControllerDraft, { release }: RenderContext): Draft {
  const volume = claimVolume("persistent-data", draft.object.metadata.name);
  const { object } = mountOnClaim(draft.object, release.version, "persistent-data");
  return { ...draft, object: edit(object, volumesPath, (volumes) => [...listOf(volumes), volume]) };
}

function shardOnClaim(draft: ControllerDraft, { release }: RenderContext): Draft {
  const name = `persistent-data-${draft.shard}`;
  const { object, replaced } = mountOnClaim(draft.object, release.version, name);
  const volume = claimVolume(name, draft.object.metadata.name);
  const volumes = listOf(readField(object, volumesPath));
  const index = volumes.findIndex((other) => fieldsOf(other)["name"] === replaced);
  if (index === -1) throw notUnderstood(release.version, nameObject(object), `volume ${textOf(replaced)}`);
  return { ...draft, object: setField(object, volumesPath, volumes.with(index, volume)) };
}

const volumesPath = [...podSpec, "volumes"];

function claimVolume(name: string, claimName: string): JsonValue {
  return { name, persistentVolumeClaim: { claimName } };
}

/** With a release that stores artifacts elsewhere, the claim would stay empty. */
function checkStoragePath(container: JsonObject, object: KubeObject, version: string): void {
  const flag = listOf(container["args"])
    .map(textOf)
    .find((arg) => arg.startsWith("--storage-path="));
  if (flag === undefined || flag === `--storage-path=${artifactPath}`) return;
  throw unknownShape(version, `${nameObject(object)} keeps artifacts elsewhere, ${flag}`);
}

/** Mounts the volume `name` where the artifacts are; `replaced` is the volume that was mounted there. */
function mountOnClaim(object: KubeObject, version: string, name: string): { object: KubeObject; replaced: JsonValue } {
  let replaced: JsonValue | undefined;
  const mounted = editManager(object, version, (container) => {
    checkStoragePath(container, object, version);
    const volumeMounts = listOf(container["volumeMounts"]).map((mount) => {
      if (fieldsOf(mount)["mountPath"] !== artifactPath) return mount;
      replaced = fieldsOf(mount)["name"];
      return setField(fieldsOf(mount), ["name"], name);
    });
    return { ...container, volumeMounts };
  });
  if (replaced === undefined) throw notUnderstood(version, nameObject(object), `volume mounted at ${artifactPath}`);
  return { object: mounted, replaced };
}

function claim(draft: ControllerDraft, storage: StorageSpec): Draft {
  const { name } = draft.object.metadata;
  const annotations = draft.shard === undefined ? {} : { annotations: { "sharding.fluxcd.io/role": "shard" } };
  const object = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name, ...annotations },
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: storage.size } },
      storageClassName: storage.class,
    },
  };
  return draft.previousNames === undefined ? { object } : { object, previousNames: draft.previousNames };
}
