import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Authorities } from '../../authorities/authorities.js';
import { serialDecimal } from '../../pki/serial.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { instant, InstantOut } from '../../platform/http/instant.js';
import { Problem } from '../../platform/http/problem.js';
import type { Reference } from '../../platform/http/reference.js';
import { CertificateAccess } from '../access.js';
import type { CertificateState } from '../certificate.entity.js';
import type { CertificateRow } from '../certificate.row.js';
import { CertificateRepository } from '../certificate.repository.js';
import { CertificateReader } from '../list/certificate-reader.js';
import { OrderView, orderView } from './order.view.js';

const statuses = ['pending', 'issued', 'failed', 'cancelled'] as const;
const statusOf: Readonly<Record<CertificateState, (typeof statuses)[number]>> = {
  requested: 'pending',
  pending: 'pending',
  issued: 'issued',
  superseded: 'issued',
  revoked: 'issued',
  failed: 'failed',
  cancelled: 'cancelled',
};

/** GET /authorities/{id}/orders/{order}. */
export const OrderOfCertificate = z
  .object({
    slug: z.string().meta({ description: 'Names the order: the id of its certificate.' }),
    status: z.enum(statuses),
    reason: z.string().nullable().meta({ description: 'Why it failed, or why the last attempt did.' }),
    certificate: z.object({
      id: z.int(),
      name: z.string(),
      serial: z.string().nullable().meta({ description: 'Decimal; null until it is issued.' }),
    }),
    order: OrderView.nullable().meta({ description: 'What it waits for; null once it is issued or cancelled.' }),
    dateCreated: InstantOut,
  })
  .meta({ id: 'OrderOfCertificate' });
export type OrderOfCertificate = z.output<typeof OrderOfCertificate>;

/** Reads orders: what a request for a certificate has come to. */
@Injectable()
export class Orders {
  constructor(
    private readonly db: Database,
    private readonly authorities: Authorities,
    private readonly certificates: CertificateRepository,
    private readonly access: CertificateAccess,
    private readonly reader: CertificateReader,
  ) {}

  /** Throws Problem `not-found`, also when the actor may not see it. */
  async get(actor: Actor, authority: Reference, slug: string): Promise<OrderOfCertificate> {
    const notFound = new Problem('not-found', `There is no order ${slug}.`);
    if (!/^[1-9]\d{0,8}$/.test(slug)) throw notFound;
    const certificate = await this.certificates.find(this.db.single, Number(slug));
    if (certificate?.authorityId == null || !(await this.isOf(authority, certificate.authorityId))) throw notFound;
    if (certificate.creatorId !== actor.userId)
      await this.access.demandChange(this.db.single, actor, certificate).catch((error: unknown) => {
        throw error instanceof Problem ? notFound : error;
      });
    return orderOf(await this.reader.row(certificate.id));
  }

  private async isOf(ref: Reference, authorityId: number): Promise<boolean> {
    const { authority } = await this.authorities.get(authorityId);
    return ref.id === undefined ? authority.name.toLowerCase() === ref.name?.toLowerCase() : authority.id === ref.id;
  }
}

function orderOf(row: CertificateRow): OrderOfCertificate {
  return {
    slug: String(row.id),
    status: statusOf[row.state],
    reason: row.faultDetail,
    certificate: { id: row.id, name: row.name, serial: row.serialHex && serialDecimal(row.serialHex) },
    order: orderView(row),
    dateCreated: instant(row.createdAt),
  };
}
