/** Whose signatures count: public keys, or else signers with a certificate. All of it is text that has not been read. */
export type TrustInput = {
  /** PEM texts, with the name of their place for messages. */
  readonly keys?: readonly TrustText[];
  /** A `trusted_root.json`; that of the public Sigstore instance where it is absent and there are no keys. */
  readonly trustedRoot?: TrustText;
  /** Regular expressions (RE2). */
  readonly identities?: readonly { readonly issuer: string; readonly subject: string }[];
  /** What to do about something unsigned, for messages: "sign it with a key of Secret flux-system/keys". */
  readonly remedy: string;
};

/** A text and where it stands, for messages. */
export type TrustText = { readonly name: string; readonly text: string };

/** What is verified: "oci://host/repository@sha256:..." or the same with a tag before the digest. */
export type Subject = { readonly reference: string; readonly digest: string };
