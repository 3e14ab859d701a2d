import type { Input } from "@pulumi/pulumi";

/** `T`, in which any value may be the output of another resource. */
export type Inputs<T> = Input<
  T extends readonly (infer Item)[]
    ? readonly Inputs<Item>[]
    : T extends object
      ? { readonly [Name in keyof T]: Inputs<T[Name]> }
      : T
>;
