/**
 * Compares two versions of a Debian package: negative, 0 or positive, as for `toSorted`. Source: deb-version(7): letters come before all other
 * characters and `~` before everything, also the end; digits count as numbers.
 */
export function compareDebianVersions(left: string, right: string): number {
  const [a, b] = [parts(left), parts(right)];
  return a.epoch - b.epoch || compareText(a.upstream, b.upstream) || compareText(a.revision, b.revision);
}

type Parts = { readonly epoch: number; readonly upstream: string; readonly revision: string };

function parts(version: string): Parts {
  const [, epoch = "0", upstream = "", revision = ""] = /^(?:(\d+):)?(.*?)(?:-([^-]*))?$/.exec(version) ?? [];
  return { epoch: Number(epoch), upstream, revision };
}

function compareText(left: string, right: string): number {
  const [a, b] = [left, right].map((text) =>
    [...text.matchAll(/(\D*)(\d*)/g)].map(([, word = "", digits = ""]) => ({ word, digits })),
  );
  for (let index = 0; index < Math.max(a?.length ?? 0, b?.length ?? 0); index += 1) {
    const [one, other] = [a?.[index], b?.[index]];
    const byWord = compareWords(one?.word ?? "", other?.word ?? "");
    if (byWord !== 0) return byWord;
    const byNumber = Number(one?.digits ?? "") - Number(other?.digits ?? "");
    if (byNumber !== 0) return byNumber;
  }
  return 0;
}

function compareWords(left: string, right: string): number {
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const difference = weight(left[index]) - weight(right[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

function weight(character: string | undefined): number {
  if (character === undefined) return 0;
  if (character === "~") return -1;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}
