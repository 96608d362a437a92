/**
 * The path of the first member that an object of this valid JSON has twice, such as `authority.name`; undefined when
 * each has its own name. `JSON.parse` keeps the last value of such a member and drops the others (RFC 8259 §4).
 */
export function repeatedMember(text: string, parsed: unknown): readonly string[] | undefined {
  return namesWritten(text) === namesIn(parsed) ? undefined : firstRepeated(text);
}

/** How many names of members the text has: texts in quotes before a colon. */
function namesWritten(text: string): number {
  let count = 0;
  for (let start = text.indexOf('"'); start !== -1;) {
    const end = endOfText(text, start);
    if (isName(text, end)) count += 1;
    start = text.indexOf('"', end);
  }
  return count;
}

/** Not recursive: the nesting of what was sent is not known yet. */
function namesIn(parsed: unknown): number {
  let count = 0;
  for (const open = [parsed]; open.length > 0;) {
    const value = open.pop();
    if (typeof value !== 'object' || value === null) continue;
    const entries = Object.values(value) as unknown[];
    if (!Array.isArray(value)) count += entries.length;
    for (const entry of entries) if (typeof entry === 'object') open.push(entry);
  }
  return count;
}

/** The index behind the quote that ends the text which begins at `start`. */
function endOfText(text: string, start: number): number {
  for (let quote = start; ;) {
    quote = text.indexOf('"', quote + 1);
    let escapes = 0;
    while (text[quote - 1 - escapes] === '\\') escapes += 1;
    if (escapes % 2 === 0) return quote + 1;
  }
}

function isName(text: string, end: number): boolean {
  let next = end;
  while (' \t\n\r'.includes(text[next] ?? ':')) next += 1;
  return text[next] === ':';
}

/** An object or list that is open where the text is read. */
interface Level {
  names: Set<string>;
  /** Of the member or entry that is being read. */
  key: string | number;
}

function firstRepeated(text: string): readonly string[] | undefined {
  const levels: Level[] = [];
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '"') {
      const end = endOfText(text, at);
      if (isName(text, end) && repeats(levels, JSON.parse(text.slice(at, end)) as string))
        return levels.map(({ key }) => String(key));
      at = end - 1;
    } else {
      follow(levels, text[at]);
    }
  }
  return undefined;
}

/** Opens or closes a level, or goes to the next entry of a list. */
function follow(levels: Level[], character: string | undefined): void {
  const level = levels.at(-1);
  if (character === '{' || character === '[') levels.push({ names: new Set(), key: 0 });
  else if (character === '}' || character === ']') levels.pop();
  else if (character === ',' && typeof level?.key === 'number') level.key += 1;
}

/** Makes `name` the key of the innermost object. Whether it has had this name already. */
function repeats(levels: readonly Level[], name: string): boolean {
  const level = levels.at(-1);
  if (level === undefined) return false;
  const isKnown = level.names.has(name);
  level.key = name;
  level.names.add(name);
  return isKnown;
}
