import type { Release, ReleasedImage } from "./release.ts";
import { sectionOf } from "./refusals.ts";

/** What each file is, by how its name begins or ends; the first that fits counts. */
const meanings: readonly { readonly name: RegExp; readonly means: string }[] = [
  { name: /^install\.yaml$/, means: "installs the operator: `kubectl apply --server-side -f install.yaml`" },
  { name: /^instance\.yaml$/, means: "a FluxInstance to begin with" },
  { name: /^crds\.yaml$/, means: "the CRD alone" },
  { name: /^images\.json$/, means: "images with their digests, and the files that have them" },
  { name: /\.cdx\.json$/, means: "bill of materials of the image, CycloneDX 1.6" },
  { name: /^flux-operator-image-/, means: "the operator's image for all platforms, an OCI layout" },
  { name: /^flux-operator-bundle-image-/, means: "the image of the OLM bundle, an OCI layout" },
  { name: /^flux-operator-catalog-image-/, means: "the image of the OLM catalogue, an OCI layout" },
  { name: /^flux-operator-olm-/, means: "OLM bundle and catalogue as files" },
  { name: /^flux-operator-cli-/, means: "the command line, for Node 26 or newer" },
  {
    name: /^flux-operator-manifests-/,
    means: "the manifests as kustomizations, also with cluster roles that others write",
  },
  { name: /^timoni-.*\.oci\.tar$/, means: "Timoni module, an OCI layout" },
  { name: /^flux-operator-terraform-/, means: "module for Terraform and OpenTofu, with the charts that it installs" },
  { name: /^flux-operator-(flux-instance-types|pulumi)-/, means: "npm package" },
  { name: /\.tgz$/, means: "Helm chart" },
];

/** The changes of a version with its files and images, as Markdown. Throws where nobody has said what a file is. */
export function releaseNotes(
  { version, commit }: Release,
  changelog: string,
  made: { readonly files: readonly string[]; readonly images: readonly ReleasedImage[] },
): string {
  const changes = sectionOf(changelog, version) ?? sectionOf(changelog, "Unreleased") ?? "";
  return `${[
    `# Flux operator ${version}`,
    `From commit ${commit}.`,
    changes,
    "## Images",
    made.images.map(({ reference, digest }) => `- \`${reference}@${digest}\``).join("\n"),
    "## Files",
    ["| file | |", "| --- | --- |", ...made.files.map((file) => `| \`${file}\` | ${meaningOf(file)} |`)].join("\n"),
    "`checksums.txt` has the SHA-256 of each file (`sha256sum --check checksums.txt`), `provenance.json` says from what they were made. The same commit gives the same bytes.",
  ].join("\n\n")}\n`;
}

function meaningOf(file: string): string {
  const found = meanings.find(({ name }) => name.test(file));
  if (found === undefined)
    throw new Error(`Cannot describe ${file}: scripts/release/notes.ts does not know what it is`);
  return found.means;
}
