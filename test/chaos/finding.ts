/** Something that was counted at the end of a run. */
export interface Finding {
  name: string;
  count: number;
  /** Some of those that were counted. */
  examples: string[];
  mustBeNone: boolean;
}

const fewest = 5;

export const counted = (name: string, count: number): Finding => ({ name, count, examples: [], mustBeNone: false });

/** What must not be: a run in which there is one of these has failed. */
export const wrong = (name: string, found: readonly string[]): Finding => ({
  name: `WRONG: ${name}`,
  count: found.length,
  examples: found.slice(0, fewest),
  mustBeNone: true,
});

/** Rows as text, one each. */
export const linesOf = (rows: readonly object[]): string[] => rows.map((row) => JSON.stringify(row));

/** Those that are there more than once, each once. */
export const repeated = (all: readonly string[]): string[] => [
  ...new Set(all.filter((one, at) => all.indexOf(one) !== at)),
];
