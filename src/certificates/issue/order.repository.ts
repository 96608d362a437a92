import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import type { Sealed } from '../../platform/secrets/sealed.js';
import { Order } from './order.entity.js';

/** Every query on orders. Whoever changes one holds the lock on the row of its certificate. */
@Injectable()
export class OrderRepository {
  async add(tx: Tx, certificateId: number, deadlineAt: Date): Promise<void> {
    await tx.query(
      'insert into certificate_order (certificate_id, secret_id, deadline_at) values ($1, gen_random_uuid(), $2)',
      [certificateId, deadlineAt],
    );
  }

  /** Null for a certificate that no issuer outside the process was asked for. */
  find(tx: Tx, certificateId: number): Promise<Order | null> {
    return tx.findOneBy(Order, { certificateId });
  }

  /** Throws when there is none: every request at an issuer outside the process has one. */
  async get(tx: Tx, certificateId: number): Promise<Order> {
    const order = await this.find(tx, certificateId);
    if (!order) throw new Error(`Certificate ${certificateId} has no order.`);
    return order;
  }

  /** The certificates of this authority whose answers are in dispute. */
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
