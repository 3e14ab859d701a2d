/** What an image has at a path, which is relative to its root. All of it belongs to root. */
export type ImageFile =
  | { readonly kind: "file"; readonly path: string; readonly content: Uint8Array; readonly mode: number }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  | { readonly kind: "folder"; readonly path: string; readonly mode: number };

/** A text file that everybody may read. */
export function textFile(path: string, text: string): ImageFile {
  return { kind: "file", path, content: Buffer.from(text), mode: 0o644 };
}
