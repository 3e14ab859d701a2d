type Token = {
  readonly type: string;
  readonly content: string;
  attrSet(name: string, value: string): void;
};

/** The part of markdown-it that is used here. */
export type MarkdownIt = {
  readonly core: {
    readonly ruler: { push(name: string, rule: (state: { readonly tokens: readonly Token[] }) => void): void };
  };
};

/** Gives every cell of a table the heading of its column as `data-column`, for narrow screens, where style.css shows it above the cell. */
export function nameColumns({ core }: MarkdownIt): void {
  core.ruler.push("name columns", ({ tokens }) => {
    let headings: string[] = [];
    let column = 0;
    for (const [index, token] of tokens.entries()) {
      if (token.type === "thead_open") headings = [];
      if (token.type === "th_open") headings.push((tokens[index + 1]?.content ?? "").replaceAll("`", ""));
      if (token.type === "tr_open") column = 0;
      if (token.type !== "td_open") continue;
      const heading = headings[column] ?? "";
      if (heading !== "") token.attrSet("data-column", heading);
      column += 1;
    }
  });
}
