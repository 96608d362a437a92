import { CertificateRepository, type NewRow } from '../certificates/certificate.repository.js';
import { DeliveryRepository } from '../certificates/deploy/delivery.repository.js';
import { Deploying } from '../certificates/deploy/deploying.js';
import { checkIntervalMs } from '../certificates/deploy/verification.js';
import { Places as DeliveryPlaces } from '../certificates/deploy/places.js';
import { MassImportRepository } from '../certificates/import/mass-import.repository.js';
import { CertificateStore, type Storable } from '../certificates/issue/certificate-store.js';
import { keyPlace } from '../certificates/issue/new-row.js';
import { DefaultSubscriptions } from '../certificates/notify/default-subscriptions.js';
import { dueWarnings, nextWarningAt } from '../certificates/notify/due-warnings.js';
import { NoticeRepository } from '../certificates/notify/notice.repository.js';
import {
  type SubscribedCertificate,
  CertificateSubscriptionRepository,
} from '../certificates/notify/certificate-subscription.repository.js';
import { Destinations } from '../destinations/destinations.js';
import { Config } from '../platform/config.js';
import { privateKeyPem } from '../platform/key-maker.js';
import { KnownBadKeys } from '../platform/known-bad-keys.js';
import { RevokeConsequences } from '../certificates/revoke/revoke.service.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import type { LemurLinks } from './certificate-links.js';
import { digestOfCertificate, type Places, rowOf, standAlone } from './certificate-row.js';
import type { NotificationLinks } from './import-notifications.js';
import type { ReadCertificate } from './read-certificate.js';
import type { Run, Step } from './run.js';

const table = 'certificates';
/**
 * A certificate that expires within this time gets one more notice if no other is to come: Lemur may have missed its
 * day.
 */
const lastDaysMs = 7 * 86_400_000;

/** What the certificates of a batch depend on. */
export interface BatchContext {
  links: LemurLinks;
  places: Places;
  notifications: NotificationLinks;
  revoked: ReadonlyMap<number, Date>;
}

interface New {
  read: ReadCertificate;
  row: NewRow;
  listedRoleIds: number[];
  subscriptionIds: number[];
}

/** A batch of Lemur's certificates, imported in one transaction. */
export class CertificateBatch {
  private readonly masses = new MassImportRepository();

  constructor(
    private readonly run: Run,
    private readonly step: Step,
    private readonly context: BatchContext,
  ) {}

  /** Stores new certificates. Adds missing parts to certificates that exist, under whatever name. */
  async take(all: readonly ReadCertificate[]): Promise<void> {
    if (all.length === 0) return;
    all.forEach(({ notes }) => notes.forEach((note) => this.step.report.note(note)));
    const standing = await this.masses.identities(
      this.step.tx,
      all.map(({ leaf }) => leaf.fingerprintSha256),
    );
    const bySha256 = new Map(standing.map(({ id, sha256 }) => [sha256, id]));
    const first = new Map<string, ReadCertificate>();
    for (const one of all)
      if (!bySha256.has(one.leaf.fingerprintSha256) && !first.has(one.leaf.fingerprintSha256))
        first.set(one.leaf.fingerprintSha256, one);
    for (const { read, id } of await this.insert([...first.values()])) bySha256.set(read.leaf.fingerprintSha256, id);
    const isTwin = (one: ReadCertificate): boolean => first.get(one.leaf.fingerprintSha256) !== one;
    for (const twin of all.filter(isTwin)) await this.merge(twin, bySha256.get(twin.leaf.fingerprintSha256) ?? 0);
    await this.masses.foldRoles(this.step.tx, [...bySha256.values()]);
    await this.deliver(all.map((read) => ({ read, id: bySha256.get(read.leaf.fingerprintSha256) ?? 0 })));
    await this.watch(all.map(({ leaf }) => bySha256.get(leaf.fingerprintSha256) ?? 0));
    const kept = all.map((read) => ({
      legacyId: read.row.id,
      id: bySha256.get(read.leaf.fingerprintSha256) ?? 0,
      digest: digestOfCertificate(read, this.context.links),
    }));
    await this.run.legacy.remember(this.step.tx, 'certificate', kept);
  }

  private get repository(): CertificateRepository {
    return this.run.parts.get(CertificateRepository);
  }

  private async insert(reads: readonly ReadCertificate[]): Promise<{ read: ReadCertificate; id: number }[]> {
    const { get, actor } = this.run.parts;
    const news = await this.news(reads);
    const storables = news.map(({ row, listedRoleIds, subscriptionIds, read }): Storable => ({
      row,
      links: { listedRoleIds, issuerRoleId: null, subscriptionIds, replacesIds: [] },
      actor,
      act: { action: 'certificate.imported', after: { owner: row.owner, serial: row.serialHex, lemurId: read.row.id } },
    }));
    const stored = await get(CertificateStore).insert(this.step.tx, storables);
    this.step.report.count(table, 'imported', stored.length);
    const made = stored.map(({ id, name }, i) => ({ id, name, read: (news[i] as New).read }));
    for (const {
      id,
      name,
      read: { row },
    } of made) {
      if (name !== row.name)
        this.step.report.note({
          kind: 'changed',
          table,
          id: row.id,
          name: row.name ?? '',
          text: `Another certificate has this name; it was renamed to ${name}.`,
        });
      await this.end(id, row.status === 'revoked', row);
    }
    return made;
  }

  private async news(reads: readonly ReadCertificate[]): Promise<New[]> {
    const { tx, report } = this.step;
    const { get, now } = this.run.parts;
    const roles = await this.run.legacy.ids(
      tx,
      'role',
      reads.flatMap(({ row }) => this.context.links.roles.get(row.id) ?? []),
    );
    const rows = reads.map((read) =>
      rowOf(read, { ...this.context, keyRing: get(KeyRing), badKeys: get(KnownBadKeys), now, report }),
    );
    const serials = new Set(
      (await this.masses.takenSerials(tx, rows)).map(({ issuerSha256, serialHex }) => `${issuerSha256}:${serialHex}`),
    );
    const news: New[] = [];
    for (const [i, read] of reads.entries()) {
      const row = rows[i] as NewRow;
      const serial = `${row.issuerSha256}:${row.serialHex}`;
      const isClash = serials.has(serial);
      serials.add(serial);
      if (isClash)
        report.note({
          kind: 'changed',
          table,
          id: read.row.id,
          name: row.name,
          text:
            'Another certificate of its issuer has the same serial number: it was imported without ' +
            'an authority, and is neither renewed nor revoked automatically.',
        });
      const listedRoleIds = [
        ...new Set((this.context.links.roles.get(read.row.id) ?? []).flatMap((id) => roles.get(id) ?? [])),
      ];
      const subscriptionIds = await this.subscriptionIds(read, row);
      const hearsDefaults = row.notify && subscriptionIds.length === 0;
      const kept = isClash ? standAlone(row, read.chainPem) : row;
      news.push({ read, row: { ...kept, hearsDefaults }, listedRoleIds, subscriptionIds });
    }
    return news;
  }

  /**
   * The notifications that Lemur has listed; none for a certificate that gets the default ones, so that it loses no
   * notice because Lemur's notifications could not be imported.
   */
  private async subscriptionIds({ row: { id, name } }: ReadCertificate, { owner, notify }: NewRow): Promise<number[]> {
    const { tx, report } = this.step;
    const { notifications, links } = this.context;
    const { ids, missing } = await notifications.of(tx, links.notifications.get(id) ?? [], owner);
    if (ids.length > 0 || !notify) return ids;
    const hasDefaults = await notifications.hasDefaults(tx, owner);
    if (missing)
      report.note({
        kind: 'changed',
        table,
        id,
        name: name ?? '',
        text: 'None of its notifications was imported: its owner gets the default notices.',
      });
    if (!hasDefaults)
      report.note({
        kind: 'fault',
        table,
        id,
        name: name ?? '',
        text: 'Nobody is warned before it expires: it has no notification, and its owner is not a mail address.',
      });
    return [];
  }

  /** Revokes and deletes certificates the way the program does. */
  private async end(id: number, revoked: boolean, row: ReadCertificate['row']): Promise<void> {
    const { now } = this.run.parts;
    const at = this.context.revoked.get(row.id) ?? now;
    if (revoked || row.deleted === true) {
      const ended = await this.repository.change(this.step.tx, id, (certificate) => {
        if (revoked) certificate.revoke(0, null, at);
        if (row.deleted === true) certificate.delete(now);
        return certificate;
      });
      await this.run.parts.get(RevokeConsequences).publish(this.step.tx, ended);
    }
  }

  /** Merges two rows of one certificate; keeps every part that only one of them has. */
  private async merge({ row, key }: ReadCertificate, id: number): Promise<void> {
    const { tx, report } = this.step;
    const { get } = this.run.parts;
    const name = await this.repository.change(tx, id, (certificate) => {
      if (key && certificate.sealedKey === null)
        certificate.sealedKey = get(KeyRing).seal(privateKeyPem(key), keyPlace(certificate.secretId));
      return certificate.name;
    });
    const { roleIds, listedRoleIds, notificationIds } = await this.repository.linksOf(tx, id);
    const roles = await this.run.legacy.ids(tx, 'role', this.context.links.roles.get(row.id) ?? []);
    const notifications = await this.context.notifications.of(
      tx,
      this.context.links.notifications.get(row.id) ?? [],
      (row.owner ?? '').toLowerCase(),
    );
    const others = [...new Set(roles.values())].filter((one) => !roleIds.includes(one));
    await this.repository.setLinks(tx, id, 'role', [...listedRoleIds, ...others]);
    const added = notifications.ids.filter((one) => !notificationIds.includes(one));
    await get(CertificateSubscriptionRepository).link(tx, added, [id]);
    report.count(table, 'merged');
    report.note({
      kind: 'changed',
      table,
      id: row.id,
      name: row.name ?? '',
      text: `This certificate exists as ${name}; missing parts were added to it.`,
    });
  }

  /**
   * Records Lemur's deliveries as done, so that the import delivers nothing again. Revoked certificates are removed
   * from their destinations.
   */
  private async deliver(all: readonly { read: ReadCertificate; id: number }[]): Promise<void> {
    const { tx, report } = this.step;
    const { get, now } = this.run.parts;
    const { links } = this.context;
    const checks = { now, everyMs: checkIntervalMs(get(Config)) };
    const here = await this.run.legacy.ids(
      tx,
      'destination',
      all.flatMap(({ read }) => links.destinations.get(read.row.id) ?? []),
    );
    const isRevoked = ({ row }: ReadCertificate): boolean => row.status === 'revoked';
    const inOrder = all.toSorted((a, b) => Number(isRevoked(b.read)) - Number(isRevoked(a.read)));
    for (const { read, id } of inOrder) {
      for (const legacyId of links.destinations.get(read.row.id) ?? []) {
        const destinationId = here.get(legacyId);
        if (destinationId === undefined) {
          report.note({
            kind: 'left',
            table: 'certificate_destination_associations',
            id: read.row.id,
            name: read.row.name ?? '',
            text: `It is not linked with destination ${legacyId}, which was not imported.`,
          });
          continue;
        }
        const place = {
          name: read.row.name ?? '',
          commonName: read.leaf.subjectFields.commonName ?? '',
          serialHex: read.leaf.serialHex,
        };
        const location = get(DeliveryPlaces).locate(await get(Destinations).get(tx, destinationId), place);
        const at = read.row.dateCreated ?? read.leaf.notBefore;
        await get(DeliveryRepository).addDelivered(tx, { certificateId: id, destinationId, location, at }, checks);
        if (!isRevoked(read)) continue;
        report.note({
          kind: 'changed',
          table: 'certificate_destination_associations',
          id: read.row.id,
          name: read.row.name ?? '',
          text: `It is revoked and will be removed from destination ${legacyId}.`,
        });
      }
    }
    for (const { id } of inOrder.filter(({ read }) => isRevoked(read))) await get(Deploying).withdraw(tx, id);
  }

  /** Records Lemur's notices as sent; the next notice is sent when it is due. */
  private async watch(ids: readonly number[]): Promise<void> {
    const { tx } = this.step;
    const { get, now } = this.run.parts;
    const watched = await this.withDefaults(
      (await get(CertificateSubscriptionRepository).of(tx, ids)).filter((one) => one.watched && one.notAfter > now),
    );
    const told = watched.flatMap((one) =>
      dueWarnings(one, now).filter(({ dedupeKey }) => dedupeKey !== lastChance(one, now)),
    );
    await get(NoticeRepository).addSent(tx, told, now);
    const keys = new Set(told.map(({ dedupeKey }) => dedupeKey));
    await get(CertificateSubscriptionRepository).planNext(
      tx,
      watched.map((one) => ({
        id: one.id,
        at: nextWarningAt({
          ...one,
          leads: one.leads.map((lead) => ({ ...lead, told: lead.told || keys.has(lead.dedupeKey) })),
        }),
      })),
    );
  }

  /**
   * Adds the default subscriptions of their owners to certificates whose notifications are all switched off.
   */
  private async withDefaults(watched: readonly SubscribedCertificate[]): Promise<readonly SubscribedCertificate[]> {
    const { tx, report } = this.step;
    const { get } = this.run.parts;
    const covered = await get(DefaultSubscriptions).addMissing(tx, watched);
    const muted = watched.filter(({ leads }, i) => leads.length === 0 && covered[i]?.leads.length !== 0).length;
    if (muted > 0)
      report.note({
        kind: 'changed',
        table,
        id: null,
        name: '',
        text: `All notifications of ${muted} certificates are switched off: their owners get the default notices.`,
      });
    return covered;
  }
}

/** The latest notice of a certificate that expires within days and has no other notice to come. */
function lastChance(one: SubscribedCertificate, now: Date): string | null {
  const due = dueWarnings(one, now);
  const [latest] = one.leads.toSorted((a, b) => a.leadS - b.leadS);
  const isLast = due.length > 0 && due.length === one.leads.filter(({ told }) => !told).length;
  return isLast && one.notAfter.getTime() - now.getTime() < lastDaysMs ? (latest?.dedupeKey ?? null) : null;
}
