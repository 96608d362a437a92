import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { mayActOn, mayReadKey } from '../roles/permission.js';
import type { Certificate } from './certificate.entity.js';
import { CertificateRepository } from './certificate.repository.js';

/** Whether an actor may do something with one certificate. */
@Injectable()
export class CertificateAccess {
  constructor(private readonly certificates: CertificateRepository) {}

  /** To change, revoke, renew or deliver it. Throws Problem `forbidden`. */
  async demandWrite(tx: Tx, actor: Actor, certificate: Certificate): Promise<void> {
    const { roleIds } = await this.certificates.linksOf(tx, certificate.id);
    if (!mayActOn(actor, { ...certificate, roleIds })) throw new Problem('forbidden', `You are not authorized to change certificate ${certificate.name}.`);
  }

  /** As `demandWrite`, of the certificate with this id. */
  async demandWriteById(tx: Tx, actor: Actor, id: number): Promise<void> {
    await this.demandWrite(tx, actor, await this.certificates.get(tx, id));
  }

  /** To have its private key, in whatever form. Throws Problem `forbidden`. */
  demandKey(actor: Actor, certificate: Certificate): void {
    if (!mayReadKey(actor, certificate)) throw new Problem('forbidden', 'You are not authorized to view this key.');
  }
}
