import type { Options, OptionSchema } from './options.js';
import type { Plugin, PluginContext } from './plugin.js';

/** One TXT record. `name` is fully qualified, in ASCII (A-labels), without a dot at the end. */
export interface TxtRecord {
  name: string;
  value: string;
  ttlS: number;
}

/** A record that `present` added. */
export interface PresentedRecord {
  /** What `present` answered. */
  ref: string;
}

/**
 * A DNS service in which records can be published, for example to prove control of a domain (RFC 8555 §8.4). Its
 * faults: `misconfigured` when the credentials or the zones must be changed, `refused` when the record can never be
 * published, `unavailable` when trying again can help.
 */
export interface DnsPlugin<S extends OptionSchema> extends Plugin<'dns', S> {
  /**
   * Adds the record beside others of the same name; resolves when the service has accepted it, which may be before
   * every name server shows it. Idempotent: the same name and value again is still one record. `ref` is all that
   * `remove` needs; it holds no secret. If the process dies before `ref` is stored, the record is presented again, and
   * removed by that answer.
   */
  present(record: TxtRecord, options: Options<S>, ctx: PluginContext): Promise<{ ref: string }>;
  /** Removes exactly this record and no other of its name. Idempotent: absent is done. */
  remove(record: PresentedRecord, options: Options<S>, ctx: PluginContext): Promise<void>;
  /** The zones in which it can publish, fully qualified, without a dot at the end. Changes nothing. */
  zones?(options: Options<S>, ctx: PluginContext): Promise<readonly string[]>;
}

/** An identity function: it exists so that the options' type is inferred in the plugin's methods. */
export function defineDns<S extends OptionSchema>(plugin: Omit<DnsPlugin<S>, 'kind'>): DnsPlugin<S> {
  return { ...plugin, kind: 'dns' };
}

/** The longest of the zones that holds the name; null when none does. All are lower case, without a dot at the end. */
export function longestZone(name: string, zones: readonly string[]): string | null {
  const holding = zones.filter((zone) => name === zone || name.endsWith(`.${zone}`));
  return holding.sort((a, b) => b.length - a.length)[0] ?? null;
}
