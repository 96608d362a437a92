import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { Authorities, demandListing, type LoadedAuthority } from '../../authorities/authorities.js';
import { AuthorityRepository } from '../../authorities/authority.repository.js';
import { Database } from '../../platform/db/database.js';
import { PluginRegistry } from '../../platform/plugins/registry.js';
import type { Held } from '../../plugin-api/ca-inventory.js';
import { PluginError } from '../../plugin-api/errors.js';
import { defineSource, pollRateOption, type SourcePlugin } from '../../plugin-api/source.js';
import type { Source } from '../../sources/source.entity.js';
import { issuedFacts } from '../issued-facts.js';
import { findIssuer } from '../import/uploaded.js';
import type { Finding } from './findings.js';

const id = 'authority';

const options = z.strictObject({
  authority: z.string().min(1).max(128).meta({
    title: 'Authority',
    description: 'Name of the authority whose CA is asked for the certificates that it holds.',
  }),
  pollRate: pollRateOption,
});

/** Finds the authority of this name, whose CA can list certificates. Throws PluginError. */
type Find = (name: string) => Promise<LoadedAuthority>;

/** The source plugin that is part of the core: it finds the certificates that the CA of an authority lists. */
export function authoritySource(
  find: Find,
  list: (authority: LoadedAuthority, signal: AbortSignal) => AsyncIterable<Held>,
): SourcePlugin<typeof options> {
  return defineSource({
    id,
    title: 'CA of an authority',
    description:
      'Finds the valid certificates that a CA elsewhere has issued, whoever asked it for them. They can be revoked ' +
      'here.',
    options,
    admit: async ({ authority }) => {
      await find(authority);
    },
    check: async ({ authority }, { signal }) => {
      await list(await find(authority), signal)
        [Symbol.asyncIterator]()
        .next();
    },
    scan: async function* ({ authority }, { signal }) {
      signal.throwIfAborted();
      for await (const held of list(await find(authority), signal)) yield held;
    },
  });
}

/** Registers the source plugin for the CAs of authorities, and marks findings that such an authority has issued. */
@Injectable()
export class AuthoritySource implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly registry: PluginRegistry,
    private readonly authorities: Authorities,
    private readonly repository: AuthorityRepository,
  ) {}

  onModuleInit(): void {
    this.registry.add(
      authoritySource(
        (name) => this.find(name),
        (authority, signal) => this.authorities.list(authority, { status: 'valid' }, signal),
      ),
    );
  }

  /**
   * Sets the authority of each finding that a CA certificate of the source's authority has signed. Other findings, for
   * example the CA's own certificates, get no authority.
   */
  async mark(source: Source, findings: readonly Finding[]): Promise<void> {
    if (source.pluginId !== id) return;
    const { authority, issuers } = await this.find(options.parse(source.options).authority);
    const issuerPems = issuers.map(({ certificatePem }) => certificatePem);
    for (const finding of findings) {
      const { leaf } = finding.uploaded;
      const issuerPem = leaf.isCa ? null : await findIssuer(leaf, issuerPems);
      if (issuerPem === null) continue;
      finding.issuedBy = { authorityId: authority.id, issuerPem };
      finding.facts = issuedFacts(finding.uploaded.chainPem, finding.externalId ?? undefined, issuerPem);
    }
  }

  private async find(name: string): Promise<LoadedAuthority> {
    const found = await this.repository.find(this.db.single, { name });
    if (!found) throw new PluginError('misconfigured', `There is no authority ${name}.`);
    const loaded = await this.authorities.get(found.id);
    demandListing(loaded.plugin);
    return loaded;
  }
}
