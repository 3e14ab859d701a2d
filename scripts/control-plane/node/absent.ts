import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { errorMessage } from "../../../src/std/errors.ts";

/** What the node runs that is not ours to build, and the Debian package that has it. */
const programs: { readonly [program: string]: string } = {
  containerd: "containerd",
  runc: "runc",
  nft: "nftables",
  ip: "iproute2",
  unshare: "util-linux",
  nsenter: "util-linux",
  setpriv: "util-linux",
};

/** Where Debian installs CNI's plugins. */
export const cniFolder = "/usr/lib/cni";
const cniPackage = "containernetworking-plugins";

/** Bits of CapEff (capabilities(7)). */
const capabilities = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21 };

/** The Debian packages that the node needs and this machine lacks, sorted. */
export function missingPackages(): readonly string[] {
  const lacking = Object.entries(programs).flatMap(([program, name]) => (isOnPath(program) ? [] : [name]));
  const cni = existsSync(join(cniFolder, "bridge")) ? [] : [cniPackage];
  return [...new Set([...lacking, ...cni])].toSorted();
}

/** Why no real node can run on this machine, in words for who wants one; undefined when it can. */
export function nodeAbsent(): string | undefined {
  return machineUnfit() ?? packagesMissing() ?? isolationRefused();
}

/** Root of a container may have the capabilities and still be refused, by its kernel or its seccomp profile; so both are tried, in a moment. */
function isolationRefused(): string | undefined {
  const link = `fxtry${process.pid}`;
  try {
    const namespaces = ["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--mount-proc"];
    execFileSync("unshare", [...namespaces, "true"], { stdio: "pipe" });
    execFileSync("ip", ["link", "add", link, "type", "veth", "peer", "name", `${link}p`], { stdio: "pipe" });
    execFileSync("ip", ["link", "delete", link], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `a real node needs namespaces and veth links, which this machine refuses: ${errorMessage(error)}`;
  }
}

/** Why no package would help. */
export function machineUnfit(): string | undefined {
  if (process.platform !== "linux") return `a real node needs Linux, and this is ${process.platform}`;
  if (process.getuid?.() !== 0) return "a real node needs root: namespaces, mounts, cgroups and network links";
  const lacking = Object.entries(capabilities).filter(([, bit]) => !hasCapability(bit));
  if (lacking.length > 0)
    return `a real node needs ${lacking.map(([name]) => name).join(" and ")}, which this root lacks`;
  if (!existsSync("/sys/fs/cgroup/cpuset"))
    return "a real node was only made to work with cgroup v1, which this machine does not have";
  return undefined;
}

function packagesMissing(): string | undefined {
  const missing = missingPackages();
  if (missing.length === 0) return undefined;
  return `a real node needs ${missing.join(", ")}: npm run node:packages installs them`;
}

function hasCapability(bit: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 1n;
}

function isOnPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
