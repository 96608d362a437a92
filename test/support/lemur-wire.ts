import type { Json } from './json.js';

/** Every member of an answer by its path (`items[].cn`), with the JSON types that it has, `|` between them. */
export type Shape = Readonly<Record<string, string>>;

/** The shape of several answers of one route together. */
export function shapeOf(answers: readonly Json[]): Shape {
  const types = new Map<string, Set<string>>();
  for (const answer of answers) collect(answer, '', types);
  return Object.fromEntries([...types].map(([path, found]) => [path, [...found].sort().join('|')]));
}

/** By path: what of Lemur's answers ours lack, and what has a type that Lemur's never have. */
export function differencesOf(lemurs: Shape, ours: Shape): Map<string, string> {
  const found = new Map<string, string>();
  for (const [path, types] of Object.entries(lemurs)) {
    const [known, shown] = [types.split('|'), ours[path]?.split('|')];
    if ([...found.keys()].some((above) => path.startsWith(`${above}.`) || path.startsWith(`${above}[`))) continue;
    const strange = shown?.filter((type) => !known.includes(type));
    if (!strange) found.set(path, `missing (${types})`);
    else if (strange.length > 0) found.set(path, `${strange.join('|')} where Lemur has ${types}`);
  }
  return found;
}

function collect(value: Json, path: string, types: Map<string, Set<string>>): void {
  types.set(path, (types.get(path) ?? new Set()).add(typeOf(value)));
  if (Array.isArray(value)) for (const entry of value) collect(entry, `${path}[]`, types);
  else if (typeof value === 'object' && value !== null)
    for (const [name, member] of Object.entries(value)) collect(member, path === '' ? name : `${path}.${name}`, types);
}

function typeOf(value: Json): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
