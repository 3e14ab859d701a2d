/** `node distribution-process.ts embedded VERSION | each | folder VERSION PATH | registry VERSION ADDRESS | held VERSION ADDRESS`: times one way to a release, in a process of its own. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Files } from "../../src/oci/layer.ts";
import { systemClock } from "../../src/std/clock.ts";

type Times = Readonly<Record<string, readonly number[]>>;
/** Imports only what it needs, so that memory is its own; what it gives back does the work. */
type Way = (version: string, place: string) => Promise<() => Promise<Times>>;

const { signal } = new AbortController();

const ways: Readonly<Record<string, Way>> = {
  embedded: async (version) => {
    const { loadRelease } = await import("../../src/distribution/load.ts");
    return async () => {
      const [first] = await time(() => loadRelease(version));
      const [again] = await time(() => loadRelease(version));
      return { first: [first], again: [again] };
    };
  },
  each: async () => {
    const { embeddedVersions, loadRelease } = await import("../../src/distribution/load.ts");
    return async () => {
      const others: number[] = [];
      for (const version of embeddedVersions) others.push((await time(() => loadRelease(version)))[0]);
      // The first pays for what all need.
      return { others: others.slice(1) };
    };
  },
  folder: async (version, place) => {
    const [{ readDirectory }, artifact] = await Promise.all([import("../../src/oci/load-files.ts"), artifactDoor()]);
    const { keep, read } = artifact;
    return async () => {
      const [open, files] = await time(() => readDirectory(place, { keep }, signal));
      return { open: [open], ...(await read(files, version)) };
    };
  },
  registry: async (version, place) => {
    const [{ Registry }, artifact] = await Promise.all([import("../../src/oci/registry.ts"), artifactDoor()]);
    const { keep, read } = artifact;
    return async () => {
      const registry = new Registry({ clock: systemClock, random: Math.random, userAgent: "flux-operator/bench" });
      const [pull, { files }] = await time(() => registry.pull(place, { insecure: true, keep }, signal));
      await registry.close();
      return { pull: [pull], ...(await read(files, version)) };
    };
  },
  held: async (version, place) => {
    const [{ Registry }, { CachedArtifact }] = await Promise.all([
      import("../../src/oci/registry.ts"),
      import("../../src/controllers/flux-instance/releases/cached-artifact.ts"),
    ]);
    return async () => {
      const registry = new Registry({ clock: systemClock, random: Math.random, userAgent: "flux-operator/bench" });
      const turns = monitorEventLoopDelay({ resolution: 5 });
      turns.enable();
      const [held] = await time(async () => {
        const fetched = await registry.fetch(place, { insecure: true }, signal);
        const artifact = await CachedArtifact.open({ ...fetched, reference: place }, signal);
        await artifact.prepare(version, signal);
      });
      await registry.close();
      return { held: [held], turn: [turns.max / 1e6] };
    };
  },
};

const [name = "", version = "", place = ""] = process.argv.slice(2);
const way = ways[name];
if (way === undefined) throw new Error(`Cannot measure ${name}: write one of ${Object.keys(ways).join(", ")}`);
const work = await way(version, place);
const idleBytes = process.memoryUsage.rss();
const times = await work();
console.log(JSON.stringify({ times, idleBytes, residentBytes: process.memoryUsage.rss() }));

async function artifactDoor() {
  const { isReleaseFile, openArtifact } = await import("../../src/distribution/from-artifact.ts");
  const read = async (files: Files, wanted: string): Promise<Times> => {
    const [release] = await time(() => openArtifact(files).release(wanted));
    return { release: [release] };
  };
  return { keep: isReleaseFile, read };
}

async function time<T>(task: () => T | Promise<T>): Promise<readonly [number, T]> {
  const startMs = performance.now();
  const value = await task();
  return [performance.now() - startMs, value];
}
