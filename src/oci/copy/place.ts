import type { Descriptor } from "../manifest.ts";

/** Where images are copied from: one repository of a registry, or of a bundle. What a digest names is checked against it. */
export type Source = {
  /** The manifest or index by tag or digest; undefined where there is none. */
  readonly manifest: (name: string) => Promise<Uint8Array | undefined>;
  readonly blob: (descriptor: Descriptor) => Promise<Uint8Array>;
  /** An index of what refers to `digest`; undefined where nothing does. */
  readonly referrers: (digest: string) => Promise<Uint8Array | undefined>;
};

/** Where images are copied to. */
export type Sink = {
  /** The digest of what is there by a tag or digest; undefined where there is nothing. */
  readonly digestOf: (name: string) => Promise<string | undefined>;
  readonly hasBlob: (digest: string) => Promise<boolean>;
  readonly putBlob: (descriptor: Descriptor, bytes: Uint8Array) => Promise<void>;
  /** `listsReferrers`: the place itself lists it as a referrer of its subject. */
  readonly putManifest: (
    name: string,
    bytes: Uint8Array,
    mediaType: string,
  ) => Promise<{ readonly listsReferrers: boolean }>;
};
