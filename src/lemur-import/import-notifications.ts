import { randomUUID } from 'node:crypto';
import { defaultNotifications } from '../notifications/default-notifications.js';
import { leadSeconds } from '../notifications/lead-time.js';
import { NotificationRepository, pluginOf as channelPluginOf } from '../notifications/notification.repository.js';
import { Recipients } from '../notifications/recipients.js';
import { Config } from '../platform/config.js';
import type { Tx } from '../platform/db/database.js';
import type { StoredPlugin } from '../platform/plugins/configured-plugin.js';
import { type LemurPlugin, notifications } from './lemur-rows.js';
import { pluginOf, textOf } from './plugin-options.js';
import { freeLabel, type Run, type Step } from './run.js';

const table = notifications.name;

/**
 * A default notification of Lemur. Its label has only the local part of an address; it is split into one per address.
 */
interface Shared {
  row: LemurPlugin;
  stored: StoredPlugin;
  local: string;
  days: string;
}

/** Maps Lemur's notifications to subscriptions here, for the certificates linked with them. */
export class NotificationLinks {
  private readonly ofOwners = new Map<string, boolean>();
  private readonly byLabel = new Map<string, number>();

  constructor(
    private readonly run: Run,
    private readonly ids: ReadonlyMap<number, number>,
    private readonly shared: ReadonlyMap<number, Shared>,
  ) {}

  /** The notifications of a certificate. `missing`: some of Lemur's were not imported. */
  async of(tx: Tx, legacyIds: readonly number[], owner: string): Promise<{ ids: number[]; missing: boolean }> {
    const ids: number[] = [];
    for (const legacyId of legacyIds) {
      const shared = this.shared.get(legacyId);
      const id = shared ? await this.split(tx, shared, owner) : this.ids.get(legacyId);
      if (id !== undefined) ids.push(id);
    }
    return { ids: [...new Set(ids)], missing: ids.length < legacyIds.length };
  }

  /** Ensures the default notifications of an owner, for a certificate that would have none. False: there are none. */
  async hasDefaults(tx: Tx, owner: string): Promise<boolean> {
    const known = this.ofOwners.get(owner);
    if (known !== undefined) return known;
    const { get } = this.run.parts;
    const defaults = await get(NotificationRepository).ensure(tx, defaultNotifications(owner, get(Config)));
    this.ofOwners.set(owner, defaults.length > 0);
    return defaults.length > 0;
  }

  private async split(tx: Tx, shared: Shared, owner: string): Promise<number> {
    const recipients = textOf(shared.row.options, 'recipients')
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '');
    const isOwners = owner.includes('@') && localPart(owner) === shared.local.toLowerCase();
    const address = isOwners ? owner : (recipients[0] ?? owner);
    // Anybody could create such a label in Lemur: only one with matching leads becomes built in.
    const builtIn =
      isOwners && shared.row.active !== false && leadSeconds(shared.stored.options) === Number(shared.days) * 86_400;
    // Keep the label of the built-in notification free.
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
        defaultOf: builtIn ? owner : undefined,
        stored: {
          ...shared.stored,
          secretId: randomUUID(),
          options: { ...shared.stored.options, recipients: to.join(',') },
        },
      }));
    this.byLabel.set(key, id);
    return id;
  }

  /** Forgets what a rolled-back transaction created. */
  forget(): void {
    this.ofOwners.clear();
    this.byLabel.clear();
  }
}

/** Imports notifications by label. Default ones are created with the certificates of each owner. */
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
      text: `Another notification has this label; it was renamed to ${label}.`,
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
  { label, row, stored, defaultOf }: { label: string; row: LemurPlugin; stored: StoredPlugin; defaultOf?: string },
): Promise<number> {
  const { get, now } = run.parts;
  const { id } = await get(NotificationRepository).add(tx, {
    label,
    description: row.description,
    active: row.active ?? true,
    ...stored,
    recipients: get(Recipients).of(channelPluginOf(stored)),
    defaultOf,
    creatorId: null,
    createdAt: now,
  });
  return id;
}

function localPart(address: string): string {
  return address.slice(0, address.lastIndexOf('@')).toLowerCase();
}
