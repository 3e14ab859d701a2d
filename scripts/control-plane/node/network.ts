import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readlink, readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { addresses, cgroupName, links } from "./addresses.ts";

const run = promisify(execFile);

async function ip(...args: readonly string[]): Promise<void> {
  await run("ip", args);
}

/** This machine's end of the link to the node, on which API server and registry listen. Throws when another cluster with a node runs here. */
export async function linkUp(): Promise<void> {
  if (existsSync(`/sys/class/net/${links.host}`)) {
    throw new Error(
      `another cluster with a real node runs on this machine: there is a link ${links.host}; end it first`,
    );
  }
  await ip("link", "add", links.host, "type", "veth", "peer", "name", links.peer);
  await ip("addr", "add", `${addresses.host}/24`, "dev", links.host);
  await ip("link", "set", links.host, "up");
}

/** Gives the other end to the process with that ID as soon as it is in a network namespace of its own, and routes pods and Services to it. */
export async function giveLink(pid: number, signal: AbortSignal): Promise<void> {
  const ours = await readlink("/proc/self/ns/net");
  while ((await readlink(`/proc/${pid}/ns/net`)) === ours) await sleep(10, undefined, { signal });
  await ip("link", "set", links.peer, "netns", String(pid), "name", "eth0");
  for (const range of [addresses.clusterRange, addresses.serviceRange]) {
    await ip("route", "add", range, "via", addresses.node);
  }
}

/** Removes the link, and its routes with it, if the node has not taken it along; and the node's cgroups, which are empty by then. */
export async function linkDown(): Promise<void> {
  if (existsSync(`/sys/class/net/${links.host}`)) await ip("link", "delete", links.host).catch(() => undefined);
  for (const hierarchy of await readdir("/sys/fs/cgroup"))
    await removeCgroup(join("/sys/fs/cgroup", hierarchy, cgroupName));
}

/** A folder of a cgroup file system goes by rmdir, when it has no groups below it; its files do not count. */
async function removeCgroup(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeCgroup(join(folder, entry.name));
  }
  // The kernel lets go of the last process a moment after its end.
  for (let attempt = 1; attempt <= 50; attempt += 1) {
    try {
      await rmdir(folder);
      return;
    } catch {
      await sleep(20);
    }
  }
}
