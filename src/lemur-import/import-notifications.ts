import { randomUUID } from 'node:crypto';
import { defaultNotifications } from '../notifications/default-notifications.js';
import { leadSeconds } from '../notifications/lead.js';
import { NotificationRepository, pluginOf as channelPluginOf } from '../notifications/notification.repository.js';
import { Recipients } from '../notifications/recipients.js';
import { Config } from '../platform/config.js';
import type { Tx } from '../platform/db/database.js';
import type { StoredPlugin } from '../platform/plugins/configured-plugin.js';
import { type LemurPlugin, notifications } from './lemur-rows.js';
import { pluginOf, textOf } from './plugin-options.js';
import { freeLabel, type Run, type Step } from './run.js';

const table = notifications.name;

/** A default warning of Lemur's, whose label has only the local part of an address: it becomes one for each address. */
interface Shared {
  row: LemurPlugin;
  stored: StoredPlugin;
  local: string;
  days: string;
}

/** What the notifications of Lemur's have become, for the certificates that are linked with them. */
export class NotificationLinks {
  private readonly ofOwners = new Map<string, number[]>();
  private readonly byLabel = new Map<string, number>();

  constructor(
    private readonly run: Run,
    private readonly ids: ReadonlyMap<number, number>,
    private readonly shared: ReadonlyMap<number, Shared>,
  ) {}

  /** The notifications of a certificate. `missing`: some of Lemur's are not here. */
  async of(tx: Tx, legacyIds: readonly number[], owner: string): Promise<{ ids: number[]; missing: boolean }> {
    const ids: number[] = [];
    for (const legacyId of legacyIds) {
      const shared = this.shared.get(legacyId);
      const id = shared ? await this.split(tx, shared, owner) : this.ids.get(legacyId);
      if (id !== undefined) ids.push(id);
    }
    return { ids: [...new Set(ids)], missing: ids.length < legacyIds.length };
  }

  /** What a new certificate of this owner would get; for one that would else be without any warning. */
  async usual(tx: Tx, owner: string): Promise<number[]> {
    const known = this.ofOwners.get(owner);
    if (known) return known;
    const { get } = this.run.parts;
    const ids = (await get(NotificationRepository).ensure(tx, defaultNotifications(owner, get(Config)))).map(
      ({ id }) => id,
    );
    this.ofOwners.set(owner, ids);
    return ids;
  }

  private async split(tx: Tx, shared: Shared, owner: string): Promise<number> {
    const recipients = textOf(shared.row.options, 'recipients')
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '');
    const isOwners = owner.includes('@') && localPart(owner) === shared.local.toLowerCase();
    const address = isOwners ? owner : (recipients[0] ?? owner);
    // In Lemur anybody could make one of these, so only what warns as the label says becomes the program's own.
    const builtIn =
      isOwners && shared.row.active !== false && leadSeconds(shared.stored.options) === Number(shared.days) * 86_400;
    // The label of the program's own stays free for that one.
    const label = `DEFAULT_${address.toUpperCase()}_${shared.days}_DAY${builtIn ? '' : '_LEMUR'}`;
    const key = `${builtIn} ${label}`;
    const known =
      this.byLabel.get(key) ?? (await this.run.parts.get(NotificationRepository).known(tx, [label], builtIn))[0]?.id;
    const to = isOwners && !recipients.some((one) => one.toLowerCase() === owner) ? [owner] : recipients;
    const id =
      known ??
      (await add(this.run, tx, {
        label,
        row: shared.row,
        builtIn,
        stored: {
          ...shared.stored,
          secretId: randomUUID(),
          options: { ...shared.stored.options, recipients: to.join(',') },
        },
      }));
    this.byLabel.set(key, id);
    return id;
  }

  /** Forgets what a transaction made that was not stored. */
  forget(): void {
    this.ofOwners.clear();
    this.byLabel.clear();
  }
}

/** Notifications by their labels; of the default ones, what the certificates of each owner need is made with those. */
export async function importNotifications(run: Run): Promise<NotificationLinks> {
  const rows = await run.parts.lemur.all(notifications);
  return run.step(async (step) => {
    const known = await run.legacy.known(step.tx, 'notification');
    const labels = new Set(
      (await run.parts.get(NotificationRepository).labels(step.tx)).map((label) => label.toLowerCase()),
    );
    const shared = new Map<number, Shared>();
    step.report.count(table, 'rows', rows.length);
    for (const row of rows) {
      const before = known.get(row.id);
      const [, local = 'SECURITY', days = ''] = /^DEFAULT_(.+)_(\d+)_DAY$/i.exec(row.label ?? '') ?? [];
      const isShared = local !== 'SECURITY' && row.pluginName === 'email-notification';
      if (before) step.report.count(table, 'unchanged');
      if (before && !isShared) continue;
      const stored = pluginOf(run, step, 'notification', table, row);
      if (stored && isShared) shared.set(row.id, { row, stored, local, days });
      if (!stored || before) continue;
      await (isShared ? remember(run, step, row, null) : take(run, step, row, { stored, labels }));
      step.report.count(table, 'imported');
    }
    return new NotificationLinks(run, await run.legacy.ids(step.tx, 'notification'), shared);
  });
}

async function take(
  run: Run,
  step: Step,
  row: LemurPlugin,
  { stored, labels }: { stored: StoredPlugin; labels: Set<string> },
): Promise<void> {
  const wished = (row.label?.trim() || `notification ${row.id}`).slice(0, 250);
  const label = freeLabel(wished, labels);
  if (label !== wished)
    step.report.note({
      kind: 'changed',
      table,
      id: row.id,
      name: wished,
      text: `There is another notification of this label; it is called ${label}.`,
    });
  await remember(run, step, row, await add(run, step.tx, { label, row, stored }));
}

async function remember(run: Run, step: Step, row: LemurPlugin, id: number | null): Promise<void> {
  if (id === null) await run.legacy.remember(step.tx, 'notification', [{ legacyId: row.id, id, digest: '' }]);
  else await run.remember(step, 'notification', [{ legacyId: row.id, id, name: row.label ?? '' }]);
}

async function add(
  run: Run,
  tx: Tx,
  { label, row, stored, builtIn = false }: { label: string; row: LemurPlugin; stored: StoredPlugin; builtIn?: boolean },
): Promise<number> {
  const { get, now } = run.parts;
  const { id } = await get(NotificationRepository).add(tx, {
    label,
    description: row.description,
    active: row.active ?? true,
    ...stored,
    recipients: get(Recipients).of(channelPluginOf(stored)),
    builtIn,
    creatorId: null,
    createdAt: now,
  });
  return id;
}

function localPart(address: string): string {
  return address.slice(0, address.lastIndexOf('@')).toLowerCase();
}
