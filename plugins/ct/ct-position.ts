import { z } from 'zod';

/** The newest entries of a domain that are remembered one by one. */
const mostKnown = 200;

/** Entries up to `floor` are known, and these above it: an entry may appear after one with a higher id. */
const Known = z.object({ floor: z.int().min(0), known: z.array(z.int()) });
const Position = z.object({ url: z.string(), domains: z.record(z.string(), Known) });

/** Which entries of a search are known, by domain. Its text is the position of the source. */
export class CtPosition {
  private readonly domains: Map<string, { floor: number; known: Set<number> }>;

  /** `text`: as `toString` made it; begins anew when it is of another address, or null. */
  constructor(
    private readonly url: string,
    text: string | null,
  ) {
    const read = Position.safeParse(parsed(text));
    const domains = read.success && read.data.url === url ? read.data.domains : {};
    this.domains = new Map(
      Object.entries(domains).map(([domain, { floor, known }]) => [domain, { floor, known: new Set(known) }]),
    );
  }

  isKnown(domain: string, id: number): boolean {
    const { floor = 0, known } = this.domains.get(domain) ?? {};
    return id <= floor || known?.has(id) === true;
  }

  add(domain: string, ids: readonly number[]): void {
    const { floor = 0, known = new Set<number>() } = this.domains.get(domain) ?? {};
    this.domains.set(domain, { floor, known: new Set([...known, ...ids]) });
  }

  /** Call it when every entry of the domain is known: it then remembers the newest ones alone. */
  settle(domain: string): void {
    const { floor = 0, known = new Set<number>() } = this.domains.get(domain) ?? {};
    const newest = [...known].sort((a, b) => b - a);
    const [highestLeftOut = floor] = newest.splice(mostKnown);
    this.domains.set(domain, { floor: Math.max(floor, highestLeftOut), known: new Set(newest) });
  }

  /** Forgets domains that are not among these. */
  keep(domains: readonly string[]): void {
    for (const domain of this.domains.keys()) if (!domains.includes(domain)) this.domains.delete(domain);
  }

  toString(): string {
    const domains = Object.fromEntries(
      [...this.domains].map(([domain, { floor, known }]) => [domain, { floor, known: [...known] }]),
    );
    return JSON.stringify({ url: this.url, domains });
  }
}

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? 'null') as unknown;
  } catch {
    return null;
  }
}
