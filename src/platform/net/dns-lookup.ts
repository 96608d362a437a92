import { Resolver } from 'node:dns/promises';
import { Injectable } from '@nestjs/common';
import { PluginError } from '../../plugin-api/errors.js';
import { Config } from '../config.js';

/** What a name server says of a record that it does not have. */
const absent: ReadonlySet<string> = new Set(['ENODATA', 'ENOTFOUND']);
const timing = { timeout: 2500, tries: 2 };
const mostAliases = 8;

/** Questions to the domain name system, as far as TXT records that prove control of a domain need them. */
@Injectable()
export class DnsLookup {
  /** Where authoritative name servers listen. */
  protected readonly port: number = 53;

  constructor(private readonly config: Config) {}

  /**
   * The name at the end of the CNAME records that begin at `name`; `name` itself where there is none. Throws
   * PluginError `unavailable`, and `misconfigured` for records that lead in a circle.
   */
  async followAliases(name: string, signal: AbortSignal): Promise<string> {
    let end = name;
    for (let aliases = 0; aliases <= mostAliases; aliases += 1) {
      const [target] = await this.ask(this.resolver(), signal, end, (resolver) => resolver.resolveCname(end));
      if (target === undefined) return end;
      end = plain(target);
    }
    throw new PluginError('misconfigured', `The CNAME records of ${name} lead through more than ${mostAliases} names.`);
  }

  /**
   * True when every name server of the zone that answers shows this TXT record, and one at least does; by
   * DNS_PROPAGATION_CHECK the resolvers are asked instead, or nobody. Throws PluginError `unavailable`.
   */
  async showsTxt(name: string, value: string, signal: AbortSignal): Promise<boolean> {
    const { dnsPropagationCheck } = this.config;
    if (dnsPropagationCheck === 'none') return true;
    if (dnsPropagationCheck === 'resolvers') return this.has(this.resolver(), name, value, signal);
    const servers = await this.nameServersOf(name, signal);
    const answers = await Promise.all(
      servers.map((server) => this.has(this.resolver([server]), name, value, signal).catch(() => null)),
    );
    signal.throwIfAborted();
    return answers.includes(true) && !answers.includes(false);
  }

  /** Addresses with ports of the name servers of the zone that holds the name; none when they cannot be found. */
  private async nameServersOf(name: string, signal: AbortSignal): Promise<string[]> {
    const labels = name.split('.');
    for (let at = 0; at < labels.length; at += 1) {
      const zone = labels.slice(at).join('.');
      const servers = await this.ask(this.resolver(), signal, zone, (resolver) => resolver.resolveNs(zone));
      if (servers.length > 0) return (await Promise.all(servers.map((one) => this.addressesOf(one, signal)))).flat();
    }
    return [];
  }

  private async addressesOf(host: string, signal: AbortSignal): Promise<string[]> {
    const [v4, v6] = await Promise.all([
      this.ask(this.resolver(), signal, host, (resolver) => resolver.resolve4(host)),
      this.ask(this.resolver(), signal, host, (resolver) => resolver.resolve6(host)),
    ]);
    return [...v4.map((address) => `${address}:${this.port}`), ...v6.map((address) => `[${address}]:${this.port}`)];
  }

  private async has(resolver: Resolver, name: string, value: string, signal: AbortSignal): Promise<boolean> {
    const records = await this.ask(resolver, signal, name, (one) => one.resolveTxt(name));
    return records.some((parts) => parts.join('') === value);
  }

  private resolver(servers: readonly string[] = this.config.dnsResolvers): Resolver {
    const resolver = new Resolver(timing);
    if (servers.length > 0) resolver.setServers(servers);
    return resolver;
  }

  /** Nothing when the record does not exist. Throws PluginError `unavailable`, or what ends `signal`. */
  private async ask<T>(
    resolver: Resolver,
    signal: AbortSignal,
    name: string,
    question: (resolver: Resolver) => Promise<T[]>,
  ): Promise<T[]> {
    signal.throwIfAborted();
    const stop = (): void => resolver.cancel();
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await question(resolver);
    } catch (error) {
      signal.throwIfAborted();
      const { code = 'unknown error' } = error as NodeJS.ErrnoException;
      if (absent.has(code)) return [];
      throw new PluginError('unavailable', `DNS has no answer for ${name} (${code}).`, undefined, { cause: error });
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}

function plain(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}
