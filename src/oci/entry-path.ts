/** Either the path of a file in the artifact ("flux/v2.9.4/rbac.yaml"), or what is wrong with its name. */
export type EntryPath =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "refused"; readonly why: string };

const maxPathLength = 1024;

/** A name inside an artifact, without a leading "./" and a trailing "/"; "" is the root. Every name that could leave the root is refused. */
export function readEntryPath(name: string): EntryPath {
  if (name.length > maxPathLength) return refused(`has a name longer than ${maxPathLength} characters`);
  // oxlint-disable-next-line no-control-regex -- these are the characters that must not pass
  if (/[\u0000-\u001f\u007f]/.test(name)) return refused("has control characters in its name");
  if (name.includes("\u{fffd}")) return refused("has a name that is not UTF-8");
  if (name.includes("\\")) return refused("has a backslash in its name");
  if (name.startsWith("/") || /^[a-z]:/i.test(name)) return refused("has an absolute path");
  const path = name.replace(/^(?:\.\/)+/, "").replace(/\/$/, "");
  if (path === "" || path === ".") return { kind: "path", path: "" };
  const segments = path.split("/");
  if (segments.includes("..")) return refused("leaves the artifact by ..");
  if (segments.includes("") || segments.includes(".")) return refused("has empty segments in its path");
  return { kind: "path", path };
}

function refused(why: string): EntryPath {
  return { kind: "refused", why };
}
