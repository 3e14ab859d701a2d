import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { Binaries, BinaryName, ProvideOptions } from "../../scripts/control-plane/binaries.ts";
import { platform } from "../../scripts/control-plane/download.ts";
import { readSuite } from "../../scripts/control-plane/versions.ts";

const script = join(import.meta.dirname, "../support/provide-binaries.ts");
const tools = join(import.meta.dirname, "../../tools");
const [kubernetes, etcd, kwok] = await Promise.all([
  readSuite(tools, "kubernetes"),
  readSuite(tools, "etcd"),
  readSuite(tools, "kwok"),
]);
const released = (suite: { readonly name: string; readonly version: string }): string =>
  `${suite.name}-${suite.version}-release`;
const built = (suite: typeof kubernetes): string => `${suite.name}-${suite.version}-build-${suite.buildKey}`;

let root: string;
before(async () => (root = await mkdtemp(join(tmpdir(), "control-plane-binaries-"))));
after(() => rm(root, { recursive: true, force: true }));

test("provideBinaries() takes a suite from KUBEBUILDER_ASSETS only if all of it is there", async () => {
  await using site = await startSite();
  // As setup-envtest fills such a folder.
  const assetsFolder = await folderWith({ etcd: "etcd", "kube-apiserver": "server", kubectl: "kubectl" });
  const full = await provide({ variant: "full", assetsFolder, hosts: site.hosts });
  assert.deepEqual(placesOf(full.binaries), {
    etcd: basename(assetsFolder),
    "kube-apiserver": released(kubernetes),
    kubectl: released(kubernetes),
    "kube-controller-manager": released(kubernetes),
    "kube-scheduler": released(kubernetes),
    kwok: released(kwok),
  });
  const light = await provide({ variant: "light", assetsFolder, hosts: site.hosts });
  assert.equal(placesOf(light.binaries)["kube-apiserver"], basename(assetsFolder));
});

test("provideBinaries() downloads official releases, and finds them in the cache the next time", async () => {
  await using site = await startSite();
  const cacheFolder = await emptyFolder();
  const first = await provide({ variant: "full", cacheFolder, hosts: site.hosts });
  assert.equal(await readFile(first.binaries.etcd, "utf8"), "the etcd of the archive");
  assert.equal(await readFile(first.binaries.kubectl, "utf8"), `kubernetes ${kubernetes.version} kubectl`);
  assert.match(first.said, /^6\/6 download kwok v[\d.]+: done in \d+ s$/m);
  const requests = site.requests.length;
  assert.deepEqual((await provide({ variant: "full", cacheFolder, hosts: site.hosts })).binaries, first.binaries);
  assert.equal(site.requests.length, requests);
});

test("provideBinaries() builds what does not match its checksum", async () => {
  await using site = await startSite({ spoil: "kube-scheduler" });
  const { binaries, said } = await provide({ variant: "full", hosts: site.hosts }, await fakeGo("exit 0"));
  assert.deepEqual([placesOf(binaries).kubectl, placesOf(binaries).etcd], [built(kubernetes), released(etcd)]);
  assert.match(
    said,
    /kube-scheduler has checksum [0-9a-f]{64}, its publisher says [0-9a-f]{64}; building it with go$/m,
  );
});

test("provideBinaries() says in one line that it cannot connect, once a site, and builds", async () => {
  const { binaries, said } = await provide({ variant: "full", hosts: closedHosts }, await fakeGo("exit 0"));
  assert.deepEqual([placesOf(binaries).kwok, placesOf(binaries)["kube-apiserver"]], [built(kwok), built(kubernetes)]);
  assert.equal(said.match(/^1\/6 download/gm)?.length, 1);
  assert.equal(said.match(/^6\/6 download/gm), null);
  assert.match(
    said,
    /^No download of kubernetes v[\d.]+: http:\/\/127.0.0.1:1 cannot be reached \(ECONNREFUSED\); building it with go$/m,
  );
});

for (const { name, path, want } of [
  { name: "without Go", path: "", want: "go is not on the PATH" },
  {
    name: "with a Go that fails",
    path: "echo no space left >&2; exit 1",
    want: `go build failed in ${join(tools, "kubernetes")}:\nno space left`,
  },
]) {
  test(`provideBinaries() ${name} and network says of each place why it has nothing`, async () => {
    const cacheFolder = await emptyFolder();
    const { said, code } = await provide(
      { variant: "light", cacheFolder, hosts: closedHosts },
      path === "" ? root : await fakeGo(path),
    );
    assert.equal(code, 1);
    const lines = [
      `Cannot get kube-apiserver, kubectl ${kubernetes.version}: no place has them`,
      "  KUBEBUILDER_ASSETS is not set",
      `  cache: not in ${join(cacheFolder, "binaries", platform())}`,
      "  download: http://127.0.0.1:1 cannot be reached (ECONNREFUSED)",
      `  build: ${want}`,
      "Connect to the network, install Go 1.26 or newer, or set KUBEBUILDER_ASSETS to a folder with these binaries",
    ];
    assert.ok(said.endsWith(`${lines.join("\n")}\n`), said);
  });
}

test("provideBinaries() that is killed leaves nothing half in the cache, and the next one takes over its lock", async () => {
  const cacheFolder = await emptyFolder();
  const slow = start({ variant: "light", cacheFolder, hosts: closedHosts }, await fakeGo("exec sleep 60"));
  const folder = join(cacheFolder, "binaries", platform(), built(kubernetes));
  await until(async () => (await readdir(folder).catch(() => [])).some((name) => name.endsWith(".tmp")));
  slow.kill("SIGKILL");
  await once(slow, "exit");
  const next = await provide({ variant: "light", cacheFolder, hosts: closedHosts }, await fakeGo("exit 0"));
  assert.doesNotMatch(next.said, /waiting/);
  assert.deepEqual((await readdir(folder)).toSorted(), ["kube-apiserver", "kubectl"]);
  assert.equal(await readFile(next.binaries.kubectl, "utf8"), "built whole\n");
});

test("provideBinaries() in two processes at once builds once; the second says that it waits", async () => {
  const cacheFolder = await emptyFolder();
  const log = join(await emptyFolder(), "builds");
  const path = await fakeGo(`echo x >> ${log}; while ! [ -e ${log}.go ]; do sleep 0.05; done`);
  const options = { variant: "light", cacheFolder, hosts: closedHosts } as const;
  const first = start(options, path);
  await until(async () => (await readFile(log, "utf8").catch(() => "")) !== "");
  const second = start(options, path);
  const [line]: unknown[] = await once(second.stderr, "data");
  assert.equal(String(line), `Process ${first.pid} is getting the cluster's binaries, waiting for it\n`);
  // Both are listened to before either can end: the second may be the first to do so.
  const results = Promise.all([resultOf(first), resultOf(second)]);
  await writeFile(`${log}.go`, "");
  const [one, other] = await results;
  assert.deepEqual(one.binaries, other.binaries);
  assert.equal(await readFile(log, "utf8"), "x\nx\nx\n");
});

const closedHosts = { kubernetes: "http://127.0.0.1:1", github: "http://127.0.0.1:1", githubApi: "http://127.0.0.1:1" };

type Result = { readonly binaries: Binaries; readonly said: string; readonly code: number };
type Options = Omit<ProvideOptions, "progress" | "signal">;

async function provide(options: Options, path?: string): Promise<Result> {
  return resultOf(start({ ...options, cacheFolder: options.cacheFolder ?? (await emptyFolder()) }, path));
}

function start(options: Options, path = root): ReturnType<typeof spawnProvider> {
  return spawnProvider(JSON.stringify(options), path);
}

function spawnProvider(options: string, path: string) {
  const env = { ...process.env, PATH: path === root ? root : `${path}:/usr/bin:/bin` };
  return spawn(process.execPath, [script, options], { stdio: ["ignore", "pipe", "pipe"], env });
}

async function resultOf(child: ReturnType<typeof spawnProvider>): Promise<Result> {
  const [printed, said, [code]] = await Promise.all([textOf(child.stdout), textOf(child.stderr), once(child, "close")]);
  return { binaries: printed === "" ? {} : JSON.parse(printed), said, code };
}

async function textOf(stream: Readable): Promise<string> {
  return Buffer.concat(await stream.toArray()).toString();
}

/** Name of the folder of each binary. */
function placesOf(binaries: Binaries): Readonly<Partial<Record<BinaryName, string>>> {
  const place = (name: BinaryName): string => basename(dirname(binaries[name]));
  return {
    etcd: place("etcd"),
    "kube-apiserver": place("kube-apiserver"),
    kubectl: place("kubectl"),
    "kube-controller-manager": place("kube-controller-manager"),
    "kube-scheduler": place("kube-scheduler"),
    kwok: place("kwok"),
  };
}

function emptyFolder(): Promise<string> {
  return mkdtemp(join(root, "t-"));
}

async function folderWith(contents: Readonly<Record<string, string>>): Promise<string> {
  const folder = await emptyFolder();
  await Promise.all(
    Object.entries(contents).map(([name, text]) => writeFile(join(folder, name), text, { mode: 0o755 })),
  );
  return folder;
}

/** A `go` whose build writes half of its output, does `middle`, and then writes all of it. */
function fakeGo(middle: string): Promise<string> {
  const go = `#!/bin/sh
[ "$1" = build ] || exit 0
while [ "$1" != -o ]; do shift; done
printf half > "$2"
( ${middle} ) || exit 1
echo "built whole" > "$2"
chmod +x "$2"
`;
  return folderWith({ go });
}

type Site = AsyncDisposable & {
  readonly hosts: NonNullable<ProvideOptions["hosts"]>;
  readonly requests: readonly string[];
};

/** The release sites as far as we use them. The file named `spoil` does not match its checksum. */
async function startSite({ spoil }: { readonly spoil?: string } = {}): Promise<Site> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    requests.push(path);
    const answer = path.endsWith(".sha256") ? sha256(contentOf(path.slice(0, -".sha256".length))) : contentOf(path);
    if (answer === undefined) response.writeHead(404).end();
    else if (path.includes("/releases/download/"))
      response.writeHead(302, { location: `/assets/${basename(path)}` }).end();
    else response.end(spoil !== undefined && path.endsWith(spoil) ? "spoilt" : answer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- that of a TCP server
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    hosts: { kubernetes: origin, github: origin, githubApi: origin },
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function contentOf(path: string): string | Buffer | undefined {
  const name = basename(path);
  if (path.includes("/bin/")) return `kubernetes ${path.split("/")[1]} ${name}`;
  if (name === `kwok-${platform()}`) return "kwok";
  if (name === `etcd-${etcd.version}-${platform()}.tar.gz`) return archive;
  if (!path.startsWith("/repos/")) return undefined;
  const assets = path.includes("kwok")
    ? [{ name: `kwok-${platform()}`, digest: `sha256:${sha256("kwok")}` }]
    : [{ name: `etcd-${etcd.version}-${platform()}.tar.gz`, digest: `sha256:${sha256(archive)}` }];
  return JSON.stringify({ assets });
}

function sha256(content: string | Buffer | undefined): string | undefined {
  return content === undefined ? undefined : createHash("sha256").update(content).digest("hex");
}

const archive = gzipSync(
  Buffer.concat([
    tarEntry(`etcd-${etcd.version}-${platform()}/README.md`, "read me"),
    tarEntry(`etcd-${etcd.version}-${platform()}/etcd`, "the etcd of the archive"),
    Buffer.alloc(1024),
  ]),
);

function tarEntry(name: string, text: string): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(text.length.toString(8).padStart(11, "0"), 124);
  const body = Buffer.alloc(512);
  body.write(text);
  return Buffer.concat([header, body]);
}

async function until(isDone: () => Promise<boolean>): Promise<void> {
  const timeout = AbortSignal.timeout(10_000);
  while (!(await isDone())) {
    timeout.throwIfAborted();
    await sleep(20);
  }
}
