import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import {
  isAdmin,
  lacking,
  mayActOn,
  mayDeliverAnything,
  mayIssueFrom,
  mayReadKey,
  mayVouchFor,
} from '../roles/permission.js';
import { Authorities } from '../authorities/authorities.js';
import { Destinations } from '../destinations/destinations.js';
import type { Certificate } from './certificate.entity.js';
import { keyProofOf } from './key-proof.js';
import { CertificateRepository } from './certificate.repository.js';
import { SourceLinkRepository } from './discover/source-link.repository.js';

/** The rights of an actor on one certificate: to change it, deliver it, reissue it, hand it over or read its key. */
@Injectable()
export class CertificateAccess {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly destinations: Destinations,
    private readonly authorities: Authorities,
    private readonly sourceLinks: SourceLinkRepository,
  ) {}

  /** Demands the right to change, revoke, renew or deliver these certificates. Throws Problem `forbidden`. */
  async demandWrite(tx: Tx, actor: Actor, ...certificates: readonly Certificate[]): Promise<void> {
    const roleIds = await this.certificates.rolesOf(
      tx,
      certificates.map(({ id }) => id),
    );
    const closed = certificates.find((one) => !mayActOn(actor, { ...one, roleIds: roleIds.get(one.id) ?? [] }));
    if (closed) throw new Problem('forbidden', `You are not authorized to change certificate ${closed.name}.`);
  }

  /** Like `demandWrite`, and none of them may be deleted. Throws Problem `wrong-state`. */
  async demandChange(tx: Tx, actor: Actor, ...certificates: readonly Certificate[]): Promise<void> {
    await this.demandWrite(tx, actor, ...certificates);
    const deleted = certificates.find(({ deletedAt }) => deletedAt !== null);
    if (deleted) throw new Problem('wrong-state', `Certificate ${deleted.name} is deleted.`);
  }

  /**
   * The owners that sources report for a certificate, whose notices the actor must not end. None when the owner of the
   * certificate has proved to have the private key, or when the actor is a reported owner or an administrator.
   */
  async othersWarned(tx: Tx, actor: Actor, certificate: Certificate): Promise<string[]> {
    return (await this.allOthersWarned(tx, actor, [certificate])).get(certificate.id) ?? [];
  }

  /** Demands the right to end the expiry notices of these certificates. Throws Problem `forbidden`. */
  async demandSilence(tx: Tx, actor: Actor, ...certificates: readonly Certificate[]): Promise<void> {
    const warned = await this.allOthersWarned(tx, actor, certificates);
    for (const { id, name } of certificates) {
      const owners = warned.get(id) ?? [];
      if (owners.length > 0)
        throw new Problem(
          'forbidden',
          `A source finds certificate ${name} for ${owners.join(', ')}, whose warnings only they end, or ` +
            'who uploads it with its private key.',
        );
    }
  }

  /** Like `othersWarned` for each certificate, by its id. A certificate without such owners is not in the map. */
  private async allOthersWarned(
    tx: Tx,
    actor: Actor,
    certificates: readonly Certificate[],
  ): Promise<Map<number, string[]>> {
    const unproven = isAdmin(actor) ? [] : certificates.filter((one) => keyProofOf(one) === 0);
    if (unproven.length === 0) return new Map();
    const owners = await this.sourceLinks.ownersOf(
      tx,
      unproven.map(({ id }) => id),
    );
    return new Map([...owners].filter(([, names]) => !names.some((owner) => mayVouchFor(actor, owner))));
  }

  /** Throws Problem `not-found`, or `wrong-state` when it is deleted. */
  async demandKnown(tx: Tx, id: number): Promise<void> {
    const { name, deletedAt } = await this.certificates.get(tx, id);
    if (deletedAt !== null) throw new Problem('wrong-state', `Certificate ${name} is deleted.`);
  }

  /** Like `demandChange`, by the ids of the certificates. Throws Problem `not-found`. */
  async demandWriteById(tx: Tx, actor: Actor, ...ids: readonly number[]): Promise<void> {
    await this.demandChange(tx, actor, ...(await this.certificates.getMany(tx, ids)));
  }

  /**
   * Demands the right to deliver a certificate to these destinations. The actor needs a right on each destination, and
   * the right to the key when one gets the private key. Only an operator may deliver a certificate that no authority
   * here has issued, because it could have any name. Throws Problem `forbidden`.
   */
  async demandDelivery(
    tx: Tx,
    actor: Actor,
    certificate: Certificate,
    destinationIds: readonly number[],
  ): Promise<void> {
    await this.destinations.demandDelivery(tx, actor, destinationIds);
    if (destinationIds.length === 0 || mayDeliverAnything(actor)) return;
    if (certificate.authorityId === null)
      throw new Problem('forbidden', 'Only an operator delivers certificates that no authority here has issued.');
    const targets = await Promise.all(destinationIds.map((id) => this.destinations.get(tx, id)));
    if (targets.some(({ needsPrivateKey }) => needsPrivateKey)) {
      const refusal = 'A destination that takes the private key needs the right to read it.';
      await this.demandKey(tx, actor, certificate, refusal);
    }
  }

  /** Demands the right to deliver to those of these destinations that are new. Throws Problem `forbidden`. */
  async demandPlaces(tx: Tx, actor: Actor, { id }: Certificate, destinationIds: readonly number[]): Promise<void> {
    const { destinationIds: attached } = await this.certificates.linksOf(tx, id);
    await this.destinations.demandDelivery(
      tx,
      actor,
      destinationIds.filter((one) => !attached.includes(one)),
    );
  }

  /**
   * Demands the right to have a certificate issued again: the actor must be allowed to use its authority. Throws
   * Problem `forbidden`.
   */
  async demandIssue(actor: Actor, { authorityId }: Pick<Certificate, 'authorityId'>): Promise<void> {
    if (authorityId === null) return;
    const { authority, roles } = await this.authorities.get(authorityId);
    if (mayIssueFrom(actor, { owner: authority.owner, roleIds: roles.map((role) => role.id) })) return;
    throw new Problem('forbidden', `You are not allowed to use authority ${authority.name}.`);
  }

  /** Demands the right to set another owner or role, who may then read the key. Throws Problem `forbidden`. */
  async demandHandOver(tx: Tx, actor: Actor, certificate: Certificate): Promise<void> {
    await this.demandKey(tx, actor, certificate, `Only the owner of certificate ${certificate.name} hands it over.`);
  }

  /** Demands the right to get the private key in any form. Throws Problem `forbidden` with the text `refusal`. */
  async demandKey(
    tx: Tx,
    actor: Actor,
    certificate: Certificate,
    refusal = 'You are not authorized to view this key.',
  ): Promise<void> {
    if (await this.mayReadKey(tx, actor, certificate)) return;
    const isScoped = actor.apiKey !== null && !actor.permissions.has('key:read');
    throw new Problem('forbidden', isScoped ? lacking('key:read', actor) : refusal);
  }

  /**
   * The role of the authority's owner is linked to each certificate that the authority issues. This link alone gives no
   * right to the key.
   */
  private async mayReadKey(tx: Tx, actor: Actor, { id, owner }: Certificate): Promise<boolean> {
    const { keyRoleIds } = await this.certificates.linksOf(tx, id);
    return mayReadKey(actor, { owner, roleIds: keyRoleIds });
  }
}
