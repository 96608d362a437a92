import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import type { Sealed } from '../../platform/secrets/sealed.js';
import type { Certificate } from '../certificate.entity.js';
import { Order } from './order.entity.js';

type Placed = Pick<Certificate, 'id' | 'authorityId' | 'orderRef'>;

/** Every query on orders. To change an order, lock the row of its certificate first. */
@Injectable()
export class OrderRepository {
  async add(tx: Tx, orders: readonly Pick<Order, 'certificateId' | 'deadlineAt'>[]): Promise<void> {
    if (orders.length === 0) return;
    await tx.query(
      `insert into certificate_order (certificate_id, secret_id, deadline_at)
       select id, gen_random_uuid(), at from unnest($1::int[], $2::timestamptz[]) as o(id, at)`,
      [orders.map(({ certificateId }) => certificateId), orders.map(({ deadlineAt }) => deadlineAt)],
    );
  }

  /** Null for a certificate without an order: imported, or signed by an issuer inside the process. */
  find(tx: Tx, certificateId: number): Promise<Order | null> {
    return tx.findOneBy(Order, { certificateId });
  }

  /** Throws Error when there is none, because every request to an issuer outside the process has an order. */
  async get(tx: Tx, certificateId: number): Promise<Order> {
    const order = await this.find(tx, certificateId);
    if (!order) throw new Error(`Certificate ${certificateId} has no order.`);
    return order;
  }

  /** The pending certificates of an authority with an answer in dispute, in order of id. */
  disputedOf(tx: Tx, authorityId: number): Promise<{ id: number; authorityId: number }[]> {
    return tx.query(
      `select c.id, c.authority_id as "authorityId"
       from certificate_order o join certificate c on c.id = o.certificate_id
       where o.disputed_at is not null and c.authority_id = $1 and c.state = 'pending' order by c.id`,
      [authorityId],
    );
  }

  /** True while another row of the authority follows the same order: a CA may give one order to equal requests. */
  async isShared(tx: Tx, { id, authorityId, orderRef }: Placed): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `select from certificate where authority_id = $1 and order_ref = $2 and id <> $3
       and state in ('requested', 'pending') limit 1`,
      [authorityId, orderRef, id],
    );
    return rows.length > 0;
  }

  /** True when the order of another row of the authority was answered with this certificate, which is not revoked. */
  async isOfAnother(tx: Tx, { id, authorityId }: Placed, serialHex: string): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `select from certificate c join certificate_order o on o.certificate_id = c.id
       where c.authority_id = $1 and c.serial_hex = $2 and c.id <> $3 and c.state in ('issued', 'superseded') limit 1`,
      [authorityId, serialHex, id],
    );
    return rows.length > 0;
  }

  async save(tx: Tx, order: Order): Promise<void> {
    await tx.save(order);
  }

  async saveState(tx: Tx, id: number, sealedState: Sealed): Promise<void> {
    await tx.update(Order, { id }, { sealedState });
  }
}
