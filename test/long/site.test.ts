import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildSite } from "../../scripts/site/build.ts";
import { chromiumAbsent } from "../../scripts/site/chromium.ts";
import { pagesOf, readDocuments, routeOf, sections } from "../../scripts/site/pages.ts";
import { serveFolder } from "../../scripts/site/serve.ts";
import { startBrowser, type Browser } from "../support/browser.ts";

const out = mkdtempSync(join(tmpdir(), "site-out-"));
const documents = readDocuments(join(import.meta.dirname, "../.."));
const routes = sections.flatMap((section) => pagesOf(section, documents).map(({ path }) => routeOf(path)));
let files: readonly string[];

before(async () => {
  await buildSite({ out, base: "/" }, new AbortController().signal);
  files = readdirSync(out, { recursive: true, encoding: "utf8" }).filter((file) => statSync(join(out, file)).isFile());
});
after(() => rmSync(out, { recursive: true }));

const textOf = (file: string): string => readFileSync(join(out, file), "utf8");
const isLong = (page: string): boolean => page.startsWith("source/") || page === "faults.html";
const pages = (): readonly string[] => files.filter((file) => file.endsWith(".html") && file !== "404.html");

describe("npm run docs", () => {
  test("makes a page of every document", () => {
    assert.deepEqual(
      routes.filter((route) => !files.includes(`${route}.html`)),
      [],
    );
  });

  test("every link of a page leads to a page, and to a heading in it", () => {
    const idsOf = new Map(
      pages().map((page) => [page, new Set([...textOf(page).matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))]),
    );
    const broken = pages().flatMap((page) =>
      [...textOf(page).matchAll(/<a [^>]*href="([^"]+)"/g)].flatMap(([, link = ""]) => {
        if (/^[a-z]+:/.test(link)) return [];
        const [path = "", anchor] = decodeURIComponent(link).split("#");
        const file =
          path === "" ? page : path === "/" ? "index.html" : join(path.startsWith("/") ? "" : dirname(page), path);
        const ids = idsOf.get(file.replace(/^\//, ""));
        if (ids === undefined) return [`${page}: ${link}: no page`];
        return anchor === undefined || anchor === "" || ids.has(anchor) ? [] : [`${page}: ${link}: no such heading`];
      }),
    );
    assert.deepEqual(broken, []);
  });

  test("loads nothing from elsewhere", () => {
    const loading =
      /<(?:script|img|iframe)[^>]* src="(https?:[^"]+)"|<link[^>]* href="(https?:[^"]+)"|url\((https?:[^)]+)\)|@import "(https?:[^"]+)"/g;
    const found = files
      .filter((file) => /\.(html|css)$/.test(file))
      .flatMap((file) => [...textOf(file).matchAll(loading)].map(([what]) => `${file}: ${what}`));
    assert.deepEqual(found, []);
  });

  test("a page is below 100 kB, one that shows a file or the table of all faults below 400 kB, and all that a page loads below 300 kB", () => {
    const large = pages().filter((page) => statSync(join(out, page)).size > (isLong(page) ? 400_000 : 100_000));
    assert.deepEqual(large, []);
    const shared = files.filter((file) => /assets\/(app|style|chunks\/(theme|framework))[.\w-]*\.(js|css)$/.test(file));
    const bytes = shared.reduce((sum, file) => sum + statSync(join(out, file)).size, 0);
    assert.ok(shared.length >= 4 && bytes < 300_000, `${shared.length} files, ${bytes} bytes`);
  });

  test("the search knows every reason of the troubleshooting page", () => {
    const index = files.find((file) => file.includes("localSearchIndex")) ?? "";
    const words = textOf(index).toLowerCase();
    const { text = "" } = documents.find(({ path }) => path === "docs/troubleshooting.md") ?? {};
    const reasons = [...text.matchAll(/^\| (?:\w+ \| )?`(\w+)` \|/gm)].map(([, reason = ""]) => reason.toLowerCase());
    assert.ok(reasons.length > 30);
    assert.deepEqual(
      reasons.filter((reason) => !words.includes(reason)),
      [],
    );
  });
});

describe("a browser", { skip: chromiumAbsent() ?? false }, () => {
  let server: Server;
  let browser: Browser;
  const open = async (route: string, width: number): Promise<void> => {
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    await browser.page.open(`http://127.0.0.1:${address.port}/${route}.html`, width);
  };
  before(async () => {
    server = await serveFolder(out, 0);
    browser = await startBrowser();
  });
  after(async () => {
    await browser[Symbol.asyncDispose]();
    server.close();
    server.closeAllConnections();
  });

  for (const width of [360, 1280])
    test(`shows every page at ${width} pixels without an error, and none is wider than the screen`, async () => {
      const wrong: string[] = [];
      for (const route of routes) {
        await open(route, width);
        const wide = await browser.page.read("document.documentElement.scrollWidth - innerWidth");
        if (Number(wide) > 0) wrong.push(`${route} is ${Number(wide)} pixels too wide`);
        wrong.push(...browser.page.troubles().map((trouble) => `${route}: ${trouble}`));
      }
      assert.deepEqual(wrong, []);
    });

  test("on a telephone a cell of a table has the heading of its column", async () => {
    await open("troubleshooting", 360);
    const shown = `getComputedStyle(document.querySelector("td code").closest("td"), "::before").content`;
    assert.equal(await browser.page.read(shown), '"reason"');
    assert.equal(await browser.page.read(`getComputedStyle(document.querySelector("thead")).display`), "none");
  });

  test("follows the dark mode of the reader's system", async () => {
    await browser.page.prefer("dark");
    await open("index", 1280);
    assert.equal(await browser.page.read(`document.documentElement.classList.contains("dark")`), true);
    await browser.page.prefer("light");
  });

  for (const width of [360, 1280])
    test(`finds a reason by the search at ${width} pixels`, async () => {
      await open("index", width);
      const found = await browser.page.read(`(async () => {
        const seen = async (query, meanwhile = () => undefined) => {
          for (;;) {
            const found = document.querySelector(query);
            if (found !== null) return found;
            meanwhile();
            await new Promise(requestAnimationFrame);
          }
        };
        // The button is there before the page's script is, and does nothing until then.
        const input = await seen("#localsearch-input", () => document.querySelector("#local-search button")?.click());
        input.value = "HealthCheckFailed";
        input.dispatchEvent(new Event("input"));
        return (await seen("#localsearch-list a")).getAttribute("href");
      })()`);
      assert.equal(found, "/troubleshooting.html#ready");
    });
});
