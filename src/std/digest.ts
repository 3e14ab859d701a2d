import { createHash } from "node:crypto";

/** SHA-256 of bytes, or of text as UTF-8: 64 lower-case hex digits. */
export function sha256Hex(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** The same in OCI's form, "sha256:<64 hex>". */
export function sha256Digest(content: string | Uint8Array): string {
  return `sha256:${sha256Hex(content)}`;
}
