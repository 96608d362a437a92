import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import type { Page } from '../../platform/http/page.js';
import { maySeeEveryAuthority } from '../../roles/permission.js';
import { NoticeRepository } from './notice.repository.js';
import { type NoticeQuery, noticeView, type NoticeView } from './notice.schema.js';
import { enqueueMessages } from './send-notices.job.js';

/** Shows the ledger of notices, and sends a notice again on request of a user. */
@Injectable()
export class NoticeService {
  constructor(
    private readonly clock: Clock,
    private readonly db: Database,
    private readonly audit: Audit,
    private readonly notices: NoticeRepository,
  ) {}

  async list(actor: Actor, query: NoticeQuery): Promise<Page<NoticeView>> {
    const page = await this.notices.list(this.db.single, query, ownersSeenBy(actor));
    return { ...page, items: page.items.map(noticeView) };
  }

  /** Throws Problem `not-found`, also for a notice that the actor may not see. */
  async get(actor: Actor, id: number): Promise<NoticeView> {
    return noticeView(await this.notices.view(this.db.single, id, ownersSeenBy(actor)));
  }

  /** Throws Problem `not-found`, and `wrong-state` unless it is due or was refused. */
  async retry(actor: Actor, id: number): Promise<NoticeView> {
    return this.db.write(async (tx) => {
      const { channel } = await this.notices.view(tx, id, ownersSeenBy(actor));
      const notice = await this.notices.lock(tx, id);
      notice.retry(this.clock.now());
      await this.notices.save(tx, [notice]);
      await this.audit.record(tx, actor, { action: 'notice.retried', targetType: 'notice', targetId: id });
      await enqueueMessages(tx, [{ noticeIds: [id], channelId: channel?.id ?? null }]);
      return noticeView(await this.notices.view(tx, id, null));
    });
  }
}

/** The owners about whose certificates and authorities the actor may read notices, in lower case; null for all. */
function ownersSeenBy(actor: Actor): string[] | null {
  return maySeeEveryAuthority(actor) ? null : actor.roles.map(({ name }) => name.toLowerCase());
}
