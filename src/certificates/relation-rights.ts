import { Injectable } from '@nestjs/common';
import { MailLimit } from '../auth/mail-limit.js';
import { Destinations } from '../destinations/destinations.js';
import { Config } from '../platform/config.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { demandAllowedOwner } from '../roles/owner-domain.js';
import { lacking, mayActOn } from '../roles/permission.js';
import { CertificateAccess } from './access.js';
import { CertificateRepository } from './certificate.repository.js';
import type { RelationsOfNew } from './relations.js';

/** The rights of an actor to link a certificate to an owner, destinations, subscriptions and predecessors. */
@Injectable()
export class RelationRights {
  constructor(
    private readonly db: Database,
    private readonly config: Config,
    private readonly destinations: Destinations,
    private readonly certificates: CertificateRepository,
    private readonly access: CertificateAccess,
    private readonly mailLimit: MailLimit,
  ) {}

  /**
   * Demands the rights for a new certificate with this owner and these links. Throws Problem `forbidden`,
   * `invalid-request` for the owner, or `too-many-requests`.
   */
  async demandLinks(
    actor: Actor,
    owner: string,
    { destinationIds, replacesIds }: Pick<RelationsOfNew, 'destinationIds' | 'replacesIds'>,
  ): Promise<void> {
    await this.destinations.demandDelivery(this.db.single, actor, destinationIds);
    await this.demandSuccession(actor, replacesIds);
    this.demandOwner(actor, owner);
  }

  /** Demands the right to have a new certificate take the place of these. Throws Problem `forbidden`. */
  async demandSuccession(actor: Actor, oldIds: readonly number[]): Promise<void> {
    await this.demandReplacing(this.db.single, actor, oldIds);
    await this.demandSilence(this.db.single, actor, oldIds);
  }

  /** Demands that this address may be an owner, who gets notices. Throws `invalid-request` or `too-many-requests`. */
  demandOwner(actor: Actor, owner: string): void {
    demandAllowedOwner(owner, this.config);
    this.mailLimit.demand(actor, owner);
  }

  /** Throws Problem `invalid-request` when a destination needs the private key. */
  async demandKeyless(destinationIds: readonly number[]): Promise<void> {
    if (await this.needsPrivateKey(destinationIds)) throw invalid('destinations', 'Destinations require private key.');
  }

  /**
   * Throws Problem `forbidden` when a destination would get a new private key through an API key without the scope
   * `key:read`.
   */
  async demandKeyScope(actor: Actor, destinationIds: readonly number[]): Promise<void> {
    if (actor.permissions.has('key:read')) return;
    if (await this.needsPrivateKey(destinationIds))
      throw new Problem('forbidden', `A destination takes the private key. ${lacking('key:read', actor)}`);
  }

  /**
   * Demands the right to set successors of these certificates, which ends or restarts their notices and renewals.
   * Throws Problem `forbidden`.
   */
  async demandReplacing(tx: Tx, actor: Actor, ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    if (!actor.permissions.has('certificate:update'))
      throw new Problem('forbidden', 'To replace certificates needs certificate:update.');
    const roles = await this.certificates.rolesOf(tx, ids);
    for (const old of await this.certificates.getMany(tx, ids)) {
      if (!mayActOn(actor, { ...old, roleIds: roles.get(old.id) ?? [] }))
        throw new Problem('forbidden', `You are not authorized to replace certificate ${old.name}.`);
    }
  }

  /** Demands the right to end the expiry notices of these certificates. Throws Problem `forbidden`. */
  async demandSilence(tx: Tx, actor: Actor, ids: readonly number[]): Promise<void> {
    await this.access.demandSilence(tx, actor, ...(await this.certificates.getMany(tx, ids)));
  }

  private async needsPrivateKey(destinationIds: readonly number[]): Promise<boolean> {
    return (await this.destinations.getMany(this.db.single, destinationIds)).some(
      ({ needsPrivateKey }) => needsPrivateKey,
    );
  }
}
