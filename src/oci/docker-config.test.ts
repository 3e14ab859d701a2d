import assert from "node:assert/strict";
import { test } from "node:test";

import { anonymous, findCredentials } from "./docker-config.ts";
import type { Credentials } from "./docker-config.ts";
import { RegistryError } from "./registry-error.ts";

const auth = (username: string, password = "pw"): string => Buffer.from(`${username}:${password}`).toString("base64");
const as = (username: string, password = "pw"): Credentials => ({ kind: "password", username, password });
const app = { host: "ghcr.io", repository: "org/team/app" };
const local = { host: "reg.example.com:5000", repository: "app" };
const hub = { host: "docker.io", repository: "library/nginx" };

for (const { name, auths, of, want } of [
  { name: "finds the bare host", auths: { "ghcr.io": { auth: auth("a") } }, of: app, want: as("a") },
  { name: "finds a host with https://", auths: { "https://ghcr.io": { auth: auth("a") } }, of: app, want: as("a") },
  { name: "finds a host with http://", auths: { "http://ghcr.io": { auth: auth("a") } }, of: app, want: as("a") },
  { name: "finds a host with /v1/", auths: { "https://ghcr.io/v1/": { auth: auth("a") } }, of: app, want: as("a") },
  { name: "finds a host with /v2/", auths: { "https://ghcr.io/v2/": { auth: auth("a") } }, of: app, want: as("a") },
  { name: "finds a host with /v2", auths: { "ghcr.io/v2": { auth: auth("a") } }, of: app, want: as("a") },
  { name: "finds a host with a slash at its end", auths: { "ghcr.io/": { auth: auth("a") } }, of: app, want: as("a") },
  { name: "finds a host in capitals", auths: { "GHCR.io": { auth: auth("a") } }, of: app, want: as("a") },
  { name: "finds host and port", auths: { "reg.example.com:5000": { auth: auth("a") } }, of: local, want: as("a") },
  { name: "tells ports apart", auths: { "reg.example.com:5001": { auth: auth("a") } }, of: local, want: anonymous },
  {
    name: "does not take a host for its port",
    auths: { "reg.example.com": { auth: auth("a") } },
    of: local,
    want: anonymous,
  },
  { name: "takes :443 for no port", auths: { "ghcr.io:443": { auth: auth("a") } }, of: app, want: as("a") },
  { name: "does not take the end of a host", auths: { "cr.io": { auth: auth("a") } }, of: app, want: anonymous },
  {
    name: "does not take a host that begins alike",
    auths: { "ghcr.io.evil.com": { auth: auth("a") } },
    of: app,
    want: anonymous,
  },
  {
    name: "prefers the longest path",
    auths: {
      "ghcr.io/org": { auth: auth("org") },
      "ghcr.io": { auth: auth("host") },
      "https://ghcr.io/org/team/app": { auth: auth("app") },
      "ghcr.io/org/team": { auth: auth("team") },
    },
    of: app,
    want: as("app"),
  },
  {
    name: "finds a path behind /v2/, as kubelets do",
    auths: { "https://ghcr.io/v2/org/team": { auth: auth("team") }, "ghcr.io": { auth: auth("host") } },
    of: app,
    want: as("team"),
  },
  {
    name: "takes v2 elsewhere for a part of the path",
    auths: { "ghcr.io/org/v2": { auth: auth("v2") }, "ghcr.io/org": { auth: auth("org") } },
    of: app,
    want: as("org"),
  },
  {
    name: "takes paths by whole segments",
    auths: { "ghcr.io/org/te": { auth: auth("te") }, "ghcr.io/org": { auth: auth("org") } },
    of: app,
    want: as("org"),
  },
  {
    name: "passes over a longer path that is empty",
    auths: { "ghcr.io/org": {}, "ghcr.io": { auth: auth("host") } },
    of: app,
    want: as("host"),
  },
  {
    name: "takes a path of another repository for nothing",
    auths: { "ghcr.io/other": { auth: auth("a") } },
    of: app,
    want: anonymous,
  },
  {
    name: "knows a star for one label",
    auths: { "*.example.com:5000": { auth: auth("a") } },
    of: local,
    want: as("a"),
  },
  {
    name: "knows a star for a part of a label",
    auths: { "re*.example.com:5000": { auth: auth("a") } },
    of: local,
    want: as("a"),
  },
  {
    name: "knows a star in the middle",
    auths: { "reg.*.com:5000": { auth: auth("a") } },
    of: local,
    want: as("a"),
  },
  {
    name: "lets a star stand for no port",
    auths: { "reg.example.com*": { auth: auth("a") } },
    of: local,
    want: anonymous,
  },
  {
    name: "lets a star stand for no more than one label",
    auths: { "*.com:5000": { auth: auth("a") } },
    of: local,
    want: anonymous,
  },
  {
    name: "prefers a literal host to a star",
    auths: { "*.example.com:5000": { auth: auth("star") }, "reg.example.com:5000": { auth: auth("host") } },
    of: local,
    want: as("host"),
  },
  { name: "finds Docker Hub by docker.io", auths: { "docker.io": { auth: auth("a") } }, of: hub, want: as("a") },
  {
    name: "finds Docker Hub by its old index",
    auths: { "https://index.docker.io/v1/": { auth: auth("a") } },
    of: hub,
    want: as("a"),
  },
  {
    name: "finds Docker Hub by its API host",
    auths: { "registry-1.docker.io": { auth: auth("a") } },
    of: hub,
    want: as("a"),
  },
  { name: "finds a path of Docker Hub", auths: { "docker.io/library": { auth: auth("a") } }, of: hub, want: as("a") },
  {
    name: "reads username and password",
    auths: { "ghcr.io": { username: "a", password: "pw" } },
    of: app,
    want: as("a"),
  },
  {
    name: "reads a username whose password is empty",
    auths: { "ghcr.io": { username: "token" } },
    of: app,
    want: as("token", ""),
  },
  {
    name: "lets auth override username and password",
    auths: { "ghcr.io": { auth: auth("a"), username: "b", password: "other" } },
    of: app,
    want: as("a"),
  },
  {
    name: "splits auth at its first colon",
    auths: { "ghcr.io": { auth: auth("a", "p:w:") } },
    of: app,
    want: as("a", "p:w:"),
  },
  {
    name: "drops the zero bytes that docker once wrote",
    auths: { "ghcr.io": { auth: auth("a", "pw\0\0") } },
    of: app,
    want: as("a"),
  },
  {
    name: "reads an identity token before the user of the same entry",
    auths: { "ghcr.io": { auth: auth("00000000-0000-0000-0000-000000000000", ""), identitytoken: "refresh" } },
    of: app,
    want: { kind: "identity-token", token: "refresh" },
  },
  {
    name: "reads a registry token",
    auths: { "ghcr.io": { registrytoken: "bearer" } },
    of: app,
    want: { kind: "registry-token", token: "bearer" },
  },
  { name: "takes an empty entry for anonymous", auths: { "ghcr.io": {} }, of: app, want: anonymous },
  { name: "takes an empty auth for anonymous", auths: { "ghcr.io": { auth: "" } }, of: app, want: anonymous },
  { name: "takes a lone colon for anonymous", auths: { "ghcr.io": { auth: auth("", "") } }, of: app, want: anonymous },
  {
    name: "passes over unknown keys",
    auths: { "ghcr.io": { auth: auth("a"), email: "x@y.z", extra: { a: 1 } } },
    of: app,
    want: as("a"),
  },
  {
    name: "does not mind a bad entry of another host",
    auths: { "other.io": { auth: "%%" }, "ghcr.io": { auth: auth("a") } },
    of: app,
    want: as("a"),
  },
]) {
  test(`findCredentials() ${name}`, () => assert.deepEqual(findCredentials(JSON.stringify({ auths }), of), want));
}

for (const { name, config } of [
  { name: "no auths", config: { credsStore: "desktop", HttpHeaders: { "User-Agent": "x" } } },
  { name: "helpers that it cannot run", config: { credHelpers: { "ghcr.io": "gcloud" }, auths: {} } },
]) {
  test(`findCredentials() is anonymous with ${name}`, () =>
    assert.deepEqual(findCredentials(JSON.stringify(config), app), anonymous));
}

for (const { name, config, why } of [
  { name: "text that is no JSON", config: "user:s3cret", why: "it is no JSON" },
  { name: "JSON that is no object", config: '["s3cret"]', why: "it is no JSON object" },
  { name: "auths that is no object", config: '{"auths":"s3cret"}', why: "auths is no object" },
  {
    name: "an entry that is no object",
    config: '{"auths":{"ghcr.io":"s3cret"}}',
    why: 'the entry "ghcr.io" is no object',
  },
  {
    name: "auth that is no base64",
    config: '{"auths":{"ghcr.io":{"auth":"user:s3cret"}}}',
    why: 'auth of the entry "ghcr.io" is not the base64 of user:password',
  },
  {
    name: "auth without a colon",
    config: `{"auths":{"ghcr.io":{"auth":"${Buffer.from("s3cret").toString("base64")}"}}}`,
    why: 'auth of the entry "ghcr.io" is not the base64 of user:password',
  },
]) {
  test(`findCredentials() refuses ${name} and does not repeat it`, () => {
    assert.throws(
      () => findCredentials(config, app),
      (error) => {
        assert.ok(error instanceof RegistryError);
        assert.equal(error.message, `Cannot read the pull secret's .dockerconfigjson: ${why}`);
        assert.equal(error.kind, "credentials");
        return !JSON.stringify(error).includes("s3cret") && error.cause === undefined;
      },
    );
  });
}
