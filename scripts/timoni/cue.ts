import { isJsonObject, type JsonValue } from "../../src/std/json.ts";

/** A text as CUE writes it. CUE reads all escapes of JSON. */
export function cueText(text: string): string {
  return JSON.stringify(text);
}

/** A regular expression that a text must match. CUE reads RE2, and between # and # a backslash is one. */
export function cueMatch(pattern: string): string {
  return `=~#"${pattern}"#`;
}

/** The name of a field, in quotes where CUE would read it as something else: _x is hidden, #x a definition. */
export function cueLabel(name: string): string {
  return /^[A-Za-z][A-Za-z0-9_]*$/.test(name) && !keywords.has(name) ? name : cueText(name);
}

const keywords = new Set(["package", "import", "for", "in", "if", "let", "true", "false", "null"]);

/** A value as CUE, from the second line on indented by `indent`. `text` writes its texts. */
export function cueValue(value: JsonValue, indent = "", text: (text: string) => string = cueText): string {
  if (typeof value === "string") return text(value);
  if (Array.isArray(value)) {
    if (value.every((item) => item === null || typeof item !== "object"))
      return `[${value.map((item) => cueValue(item, "", text)).join(", ")}]`;
    return block(
      "[",
      value.map((item) => `${cueValue(item, `${indent}\t`, text)},`),
      "]",
      indent,
    );
  }
  if (!isJsonObject(value)) return JSON.stringify(value);
  const fields = Object.entries(value);
  const lines = fields.map(([name, member]) => `${cueLabel(name)}: ${cueValue(member, `${indent}\t`, text)}`);
  return block("{", lines, "}", indent);
}

/** What stands between brackets, a line each; in one line where there is nothing. */
export function block(open: string, lines: readonly string[], close: string, indent: string): string {
  return lines.length === 0
    ? open + close
    : [open, ...lines.map((line) => `${indent}\t${line}`), indent + close].join("\n");
}

/** A description as comments above a field. */
export function cueComment(description: string, indent: string): string {
  return description === "" ? "" : `// ${description}\n${indent}`;
}

/** A file of CUE: the imports that its text uses, of those that are known. */
export function cueFile(head: string, packageName: string, body: string): string {
  const used = imports.filter(({ name }) => new RegExp(`(?<![\\w/"])${name}\\.#?[A-Z]`).test(body));
  const lines = used.map(({ name, path }) => (path.endsWith(name) ? `"${path}"` : `${name} "${path}"`));
  const importing = lines.length === 0 ? "" : `import (\n${lines.map((line) => `\t${line}\n`).join("")})\n\n`;
  return `${head}\npackage ${packageName}\n\n${importing}${body}`;
}

const imports = [
  { name: "list", path: "list" },
  { name: "strings", path: "strings" },
  { name: "struct", path: "struct" },
  { name: "appsv1", path: "k8s.io/api/apps/v1" },
  { name: "corev1", path: "k8s.io/api/core/v1" },
  { name: "flowcontrolv1", path: "k8s.io/api/flowcontrol/v1" },
  { name: "networkingv1", path: "k8s.io/api/networking/v1" },
  { name: "rbacv1", path: "k8s.io/api/rbac/v1" },
  { name: "resource", path: "k8s.io/apimachinery/pkg/api/resource" },
  { name: "metav1", path: "k8s.io/apimachinery/pkg/apis/meta/v1" },
  { name: "intstr", path: "k8s.io/apimachinery/pkg/util/intstr" },
];
