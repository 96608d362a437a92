import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import { Authorities, demandActive } from './authorities.js';
import { AuthorityRepository, viewerOf } from './authority.repository.js';
import { AuthorityStates } from './authority-states.js';
import { demandRight } from './authority-store.js';

const askMs = 30_000;

/** The accounts that issuers keep for authorities at CAs elsewhere. */
@Injectable()
export class AuthorityAccounts {
  constructor(
    private readonly db: Database,
    private readonly authorities: Authorities,
    private readonly repository: AuthorityRepository,
    private readonly states: AuthorityStates,
    private readonly contexts: PluginContexts,
    private readonly audit: Audit,
  ) {}

  /**
   * Replaces the key of the account. Audited before it is asked for: whether the CA has done it is not known when its
   * answer is lost. Throws Problem `not-found`, `forbidden`, `authority-inactive`, `conflict` where the issuer has no
   * such key, and PluginError.
   */
  async changeKey(actor: Actor, id: number): Promise<void> {
    const tx = this.db.single;
    await this.repository.demandVisible(tx, id, viewerOf(actor));
    demandRight(actor, await this.repository.get(tx, id), await this.repository.rolesOfOne(tx, id));
    const { plugin, options, authority } = await this.authorities.get(id);
    demandActive(authority);
    if (!plugin.changeAccountKey)
      throw new Problem('conflict', `Authority ${authority.name} has no account with a key: ${plugin.title}.`);
    await this.audit.record(tx, actor, {
      action: 'authority.account-key-change',
      targetType: 'authority',
      targetId: id,
    });
    const memory = await this.states.memoryOf(id);
    await plugin.changeAccountKey(memory, options, this.contexts.make(AbortSignal.timeout(askMs)));
  }
}
