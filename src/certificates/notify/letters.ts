import { Injectable } from '@nestjs/common';
import { In, IsNull, Not } from 'typeorm';
import type { NotificationMessage } from '../../plugin-api/notification.js';
import { DestinationRepository } from '../../destinations/destination.repository.js';
import { type CertificateFacts, type NoticeData, render, type RenewalOutlook } from '../../notifications/templates.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import { EndpointRepository } from '../../sources/endpoint.repository.js';
import { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Delivery } from '../deploy/delivery.entity.js';
import { Planning } from '../planning.js';
import { crlReasons } from '../revoke/revoke.schema.js';
import type { Notice, NoticeEvent } from './notice.entity.js';

type Written = Pick<NotificationMessage, 'subject' | 'text' | 'html' | 'data'>;
type Writer = (notice: Notice, certificate: Certificate) => Promise<Written>;

/** Where the facts of letters come from, together. */
@Injectable()
export class LetterSources {
  constructor(
    readonly db: Database,
    readonly certificates: CertificateRepository,
    readonly planning: Planning,
    readonly destinations: DestinationRepository,
    readonly endpoints: EndpointRepository,
  ) {}
}

/** Writes what a notice says, from how things stand when it is sent. */
@Injectable()
export class Letters {
  private readonly writers: Record<Exclude<NoticeEvent, 'certificate.expiring'>, Writer> = {
    'certificate.rotated': async (notice, after) =>
      this.written('certificate.rotated', {
        ...this.setting(),
        before: await this.predecessor(notice),
        after: factsOf(after),
        destinations: await this.labels(notice),
      }),
    'certificate.no-destination': async (notice, after) =>
      this.written('certificate.no-destination', {
        ...this.setting(),
        before: await this.predecessor(notice),
        after: factsOf(after),
      }),
    'certificate.rotation-failed': async (_, certificate) =>
      this.written('certificate.rotation-failed', {
        ...this.setting(),
        certificate: factsOf(certificate),
        reason: certificate.renewalDetail ?? '',
        nextAttemptAt: await this.nextAttemptAt(certificate),
      }),
    'certificate.revoked': async (_, certificate) =>
      this.written('certificate.revoked', {
        ...this.setting(),
        certificate: factsOf(certificate),
        comments: certificate.revocationComments,
        replaced: await this.isReplaced(certificate),
        reason: reasonText(certificate.revocationReason),
        revokedAt: certificate.revokedAt ?? this.clock.now(),
      }),
    'certificate.taken-over': async ({ data }, certificate) =>
      this.written('certificate.taken-over', {
        ...this.setting(),
        certificate: factsOf(certificate),
        formerOwner: String(data.formerOwner),
      }),
    'certificate.handed-over': async ({ data }, certificate) =>
      this.written('certificate.handed-over', {
        ...this.setting(),
        certificate: factsOf(certificate),
        formerOwner: String(data.formerOwner),
        vouchingRole: certificate.vouchingRole,
      }),
    'delivery.failing': async (notice, certificate) => {
      const delivery = await this.sources.db.single.findOneByOrFail(Delivery, { id: Number(notice.data.deliveryId) });
      const { label } = await this.sources.destinations.get(this.sources.db.single, delivery.destinationId);
      return this.written('delivery.failing', {
        ...this.setting(),
        certificate: factsOf(certificate),
        destination: label,
        removal: delivery.state === 'removing',
        reason: delivery.faultDetail ?? '',
        attempts: delivery.attempts,
        nextAttemptAt: delivery.nextAttemptAt,
      });
    },
    'order.overdue': async (_, certificate) =>
      this.written('order.overdue', {
        ...this.setting(),
        certificate: factsOf(certificate),
        reason: certificate.faultDetail ?? '',
      }),
    'order.disputed': async ({ data }, certificate) =>
      this.written('order.disputed', {
        ...this.setting(),
        certificate: { ...factsOf(certificate), serialHex: String(data.serialHex) },
        reason: certificate.faultDetail ?? '',
        deadlineAt: certificate.nextAttemptAt,
      }),
    'delivery.left': async (notice, certificate) => {
      const [destination = ''] = await this.labels(notice);
      return this.written('delivery.left', { ...this.setting(), certificate: factsOf(certificate), destination });
    },
  };

  constructor(
    private readonly sources: LetterSources,
    private readonly clock: Clock,
    private readonly config: Config,
  ) {}

  /** One message about all these certificates nearing their end. */
  async expiring(certificates: readonly Certificate[]): Promise<Written> {
    const serving = await this.sources.endpoints.serving(
      this.sources.db.single,
      certificates.map(({ id }) => id),
    );
    const told = await Promise.all(
      certificates.map(async (certificate) => ({
        ...factsOf(certificate),
        renewal: await this.outlook(certificate),
        ...(serving.get(certificate.id) ?? { endpoints: 0, servedAt: [] }),
      })),
    );
    return this.written('certificate.expiring', { ...this.setting(), certificates: told });
  }

  /** The message of an event. */
  async event(notice: Notice, certificate: Certificate): Promise<Written> {
    if (notice.event === 'certificate.expiring') return this.expiring([certificate]);
    return this.writers[notice.event](notice, certificate);
  }

  private written<E extends NoticeEvent>(event: E, data: NoticeData[E]): Written {
    return { ...render(event, data), data: { ...data } };
  }

  private setting(): { publicUrl: string; now: Date } {
    return { publicUrl: this.config.publicUrl, now: this.clock.now() };
  }

  private async outlook(certificate: Certificate): Promise<RenewalOutlook> {
    const plan = await this.sources.planning.renewalPlan(this.sources.db.single, certificate);
    if (plan.at === null) return { renewsAt: null, reason: plan.text };
    const { renewalAttempts, renewalDetail, nextRenewalAt } = certificate;
    if (renewalAttempts === 0 || renewalDetail === null) return { renewsAt: plan.at };
    return { renewsAt: nextRenewalAt ?? plan.at, failure: renewalDetail };
  }

  /** Of its renewal, or of the request for its successor when that is under way. */
  private async nextAttemptAt({ id, nextRenewalAt }: Certificate): Promise<Date | null> {
    const { certificates, db } = this.sources;
    return nextRenewalAt ?? (await certificates.findSuccessor(db.single, id))?.nextAttemptAt ?? null;
  }

  private async isReplaced({ id, toReplace }: Certificate): Promise<boolean> {
    return toReplace || (await this.sources.certificates.findSuccessor(this.sources.db.single, id)) !== null;
  }

  private async predecessor(notice: Notice): Promise<CertificateFacts> {
    return factsOf(await this.sources.certificates.get(this.sources.db.single, Number(notice.data.oldId)));
  }

  private async labels({ data }: Notice): Promise<string[]> {
    return (await this.sources.destinations.getMany(this.sources.db.single, data.destinationIds as number[])).map(
      ({ label }) => label,
    );
  }
}

/** The certificates of these ids, in the order of the ids. */
export async function certificatesOf(db: Database, ids: readonly number[]): Promise<Certificate[]> {
  return db.single.find(Certificate, { where: { id: In([...new Set(ids)]) }, order: { notAfter: 'ASC', id: 'ASC' } });
}

/** The deliveries and removals that these notices tell of and that still fail. */
export async function failingOf(db: Database, notices: readonly Notice[]): Promise<Delivery[]> {
  const ids = notices.filter(({ event }) => event === 'delivery.failing').map(({ data }) => Number(data.deliveryId));
  return ids.length === 0
    ? []
    : db.single.findBy(Delivery, { id: In(ids), state: In(['failing', 'removing']), fault: Not(IsNull()) });
}

function factsOf({ id, name, commonName, owner, serialHex, notAfter }: Certificate): CertificateFacts {
  return { id, name, commonName, owner, serialHex: serialHex ?? '', notAfter };
}

function reasonText(code: number | null): string {
  return Object.entries(crlReasons).find(([, value]) => value === code)?.[0] ?? 'unspecified';
}
