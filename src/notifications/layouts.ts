import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { mayWriteToAnyone } from '../roles/permission.js';
import type { Channel } from './channel.entity.js';
import type { ChannelLayout } from './channel-layout.js';

/** The layout of the installation, for mail without a channel and for channels that leave something open. */
@Injectable()
export class Layouts {
  constructor(
    private readonly db: Database,
    private readonly audit: Audit,
  ) {}

  /** The layout in force; null for mail without a channel. A member that the channel gives goes first. */
  async of(channel: Partial<Pick<Channel, 'layout'>> | null): Promise<ChannelLayout> {
    return { ...(await this.get()), ...channel?.layout };
  }

  /** That of the installation; empty when nobody has set it. */
  get(tx: Tx = this.db.single): Promise<ChannelLayout> {
    return tx.query<{ layout: ChannelLayout }[]>('select layout from notice_layout').then(([row]) => row?.layout ?? {});
  }

  /** Throws Problem `forbidden`: it is in the mail of everybody. */
  async set(actor: Actor, layout: ChannelLayout): Promise<ChannelLayout> {
    demandLayouts(actor);
    await this.db.write(async (tx) => {
      const before = await this.get(tx);
      await tx.query(
        'insert into notice_layout (layout) values ($1) on conflict (id) do update set layout = excluded.layout',
        [JSON.stringify(layout)],
      );
      const about = { targetType: 'notice-layout', targetId: 'installation' };
      await this.audit.record(tx, actor, { action: 'notice-layout.changed', ...about, before, after: layout });
    });
    return layout;
  }
}

/** Throws Problem `forbidden` unless the actor is an administrator or operator. */
export function demandLayouts(actor: Actor): void {
  if (mayWriteToAnyone(actor)) return;
  throw new Problem('forbidden', 'Only administrators and operators change how the mail of all owners looks.');
}
