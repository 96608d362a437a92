import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import type { Sealed } from '../../platform/secrets/sealed.js';
import { Order } from './order.entity.js';

/** Every query on orders. To change an order, lock the row of its certificate first. */
@Injectable()
export class OrderRepository {
  async add(tx: Tx, certificateId: number, deadlineAt: Date): Promise<void> {
    await tx.query(
      'insert into certificate_order (certificate_id, secret_id, deadline_at) values ($1, gen_random_uuid(), $2)',
      [certificateId, deadlineAt],
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

  async save(tx: Tx, order: Order): Promise<void> {
    await tx.save(order);
  }

  async saveState(tx: Tx, id: number, sealedState: Sealed): Promise<void> {
    await tx.update(Order, { id }, { sealedState });
  }
}
