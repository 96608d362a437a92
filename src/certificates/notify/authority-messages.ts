import { Injectable } from '@nestjs/common';
import { AuthorityRepository } from '../../authorities/authority.repository.js';
import type { AuthorityFacts, NoticeData, Setting } from '../../notifications/notice-data.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import { CrlRepository } from '../../revocation/crl.repository.js';
import type { AuthorityEvent } from './notice.entity.js';
import { type MessageText, writeNotice } from './notice-messages.js';

/** A message about an authority. `team`: its owner and the security team. */
export interface AuthorityMessage extends MessageText {
  team: string[];
}

/** Writes the messages about authorities, from the facts at the time of sending. */
@Injectable()
export class AuthorityMessages {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly authorities: AuthorityRepository,
    private readonly lists: CrlRepository,
  ) {}

  /** Null when the event is over: a CRL that was overdue was made. */
  async write(event: AuthorityEvent, authorityId: number): Promise<AuthorityMessage | null> {
    const { id, name, commonName, owner, notAfter } = await this.authorities.get(this.db.single, authorityId);
    const authority = { id, name, commonName, owner, notAfter };
    const setting = { publicUrl: this.config.publicUrl, now: this.clock.now() };
    const data = event === 'crl.overdue' ? await this.overdue(authority, setting) : { ...setting, authority };
    return data && { ...rendered(event, data), team: [...new Set([owner, ...(this.config.securityTeamEmail ?? [])])] };
  }

  private async overdue(authority: AuthorityFacts, setting: Setting): Promise<NoticeData['crl.overdue'] | null> {
    const [found] = await this.lists.overdue(this.db.single, setting.now, authority.id);
    if (!found) return null;
    const { lists, nextUpdate, faultDetail: reason } = found;
    return { ...setting, authority, lists, nextUpdate, reason };
  }
}

function rendered<E extends AuthorityEvent>(event: E, data: NoticeData[AuthorityEvent]): MessageText {
  return writeNotice(event, data as NoticeData[E]);
}
