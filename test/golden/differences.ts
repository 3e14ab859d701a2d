/** Cases in which we differ from the reference on purpose, each with the reason why it is better. */
export const intendedDifferences: { readonly [caseName: string]: string } = {};
