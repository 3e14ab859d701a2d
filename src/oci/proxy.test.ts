import assert from "node:assert/strict";
import { test } from "node:test";

import { proxyFor } from "./proxy.ts";

const both = { http: "http://plain:1", https: "http://secure:2" };

for (const { name, url, noProxy = [], want } of [
  { name: "takes the one for https", url: "https://ghcr.io/v2/", want: "http://secure:2" },
  { name: "takes the one for http", url: "http://ghcr.io/v2/", want: "http://plain:1" },
  { name: "leaves localhost alone", url: "http://localhost:5000/", want: undefined },
  { name: "leaves loopback alone", url: "http://127.8.8.8:5000/", want: undefined },
  { name: "leaves the loopback of IPv6 alone", url: "http://[::1]:5000/", want: undefined },
  { name: "exempts a host", url: "https://ghcr.io/", noProxy: ["ghcr.io"], want: undefined },
  { name: "exempts what is below a host", url: "https://a.ghcr.io/", noProxy: ["ghcr.io"], want: undefined },
  {
    name: "does not exempt a host that ends alike",
    url: "https://aghcr.io/",
    noProxy: ["ghcr.io"],
    want: "http://secure:2",
  },
  {
    name: "exempts only what is below a leading dot",
    url: "https://ghcr.io/",
    noProxy: [".ghcr.io"],
    want: "http://secure:2",
  },
  { name: "exempts what is below a leading dot", url: "https://a.ghcr.io/", noProxy: [".ghcr.io"], want: undefined },
  { name: "exempts what is below a star", url: "https://a.ghcr.io/", noProxy: ["*.ghcr.io"], want: undefined },
  { name: "exempts all", url: "https://ghcr.io/", noProxy: ["*"], want: undefined },
  { name: "exempts a port", url: "https://ghcr.io:5000/", noProxy: ["ghcr.io:5000"], want: undefined },
  { name: "knows the default port", url: "https://ghcr.io/", noProxy: ["ghcr.io:443"], want: undefined },
  { name: "tells ports apart", url: "https://ghcr.io/", noProxy: ["ghcr.io:5000"], want: "http://secure:2" },
  { name: "exempts an address", url: "https://10.0.0.1/", noProxy: ["10.0.0.1"], want: undefined },
  { name: "exempts a network", url: "https://10.1.2.3/", noProxy: ["x", " 10.0.0.0/8 "], want: undefined },
  {
    name: "does not exempt another network",
    url: "https://11.1.2.3/",
    noProxy: ["10.0.0.0/8"],
    want: "http://secure:2",
  },
  { name: "exempts an IPv6 network", url: "https://[fd00::1]:5000/", noProxy: ["fd00::/8"], want: undefined },
  {
    name: "exempts an IPv6 address without brackets",
    url: "https://[fd00::1]/",
    noProxy: ["fd00::1"],
    want: undefined,
  },
  {
    name: "exempts an IPv6 address with a port",
    url: "https://[fd00::1]:50/",
    noProxy: ["[fd00::1]:50"],
    want: undefined,
  },
  {
    name: "passes over networks that are none",
    url: "https://10.1.2.3/",
    noProxy: ["10.0.0.0/99", "/", "a/8"],
    want: "http://secure:2",
  },
  { name: "passes over empty entries", url: "https://ghcr.io/", noProxy: ["", " "], want: "http://secure:2" },
]) {
  test(`proxyFor() ${name}`, () => assert.equal(proxyFor(new URL(url), { ...both, noProxy }), want));
}

test("proxyFor() takes a proxy without a scheme for one of http", () => {
  assert.equal(proxyFor(new URL("https://ghcr.io/"), { https: "proxy:3128" }), "http://proxy:3128");
});

test("proxyFor() is none without settings", () => {
  assert.equal(proxyFor(new URL("https://ghcr.io/"), {}), undefined);
  assert.equal(proxyFor(new URL("https://ghcr.io/"), { http: "http://plain:1", https: "" }), undefined);
});
