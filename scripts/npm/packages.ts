/** The scope of our packages. None is published yet: the name is part of their shape. */
export const npmScope = "@flux-operator";

/** The packages in packaging/npm, each in a folder of its name; those that others need come first. */
export const npmPackages = ["flux-instance-types", "pulumi"] as const;
export type NpmPackage = (typeof npmPackages)[number];
