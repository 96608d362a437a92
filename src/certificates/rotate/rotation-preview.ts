import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/db/database.js';
import { type Actor, systemActor } from '../../platform/http/actor.js';
import { instant } from '../../platform/http/instant.js';
import { Problem } from '../../platform/http/problem.js';
import { obstacleTexts } from '../../rotation/due.js';
import { EndpointRepository } from '../../sources/endpoint.repository.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { readLine } from '../certificate.row.js';
import { DeliveryRepository } from '../deploy/delivery.repository.js';
import { DeliverySight } from '../deploy/delivery-sight.js';
import { Places } from '../deploy/places.js';
import { failureOf, isExpected } from '../failure.js';
import { searchNames } from '../issue/new-row.js';
import type { CertificateUseSeen } from './plan-words.js';
import { Renewing, type SuccessorWishes } from './renewing.js';
import type { Place, RotationView } from './rotate.schema.js';

type What = Pick<RotationView, 'action' | 'text' | 'successor' | 'destinations'>;

/** Previews a rotation: tells what it would change, and changes nothing. */
@Injectable()
export class RotationPreview {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly places: Places,
    private readonly sight: DeliverySight,
    private readonly renewing: Renewing,
    private readonly endpoints: EndpointRepository,
  ) {}

  /** The whole preview. Throws Problem or PluginError when the successor could not be issued. */
  async of(actor: Actor, old: Certificate, wishes: SuccessorWishes = {}): Promise<RotationView> {
    const what = await this.what(actor, old, wishes);
    const supersedes = what.action === 'none' ? [] : await this.inForce(old);
    const tells = what.action !== 'none' && old.owner.includes('@') ? old.owner : null;
    return { dryRun: true, certificate: { id: old.id, name: old.name }, ...what, supersedes, tells };
  }

  /** The places to which a certificate is delivered, or is to be. */
  async placesOf(certificate: Certificate): Promise<Place[]> {
    const deliveries = await this.deliveries.of(this.db.single, certificate.id);
    return Promise.all(
      deliveries
        .filter(({ state }) => !['removing', 'removed', 'left'].includes(state))
        .map(async ({ destinationId, state, location }) => ({
          ...(await this.places.at(this.db.single, certificate, destinationId)),
          ...(location && { location }),
          state,
        })),
    );
  }

  /** As `placesOf`. Locations that the actor may not see are null. */
  async placesFor(actor: Actor, certificate: Certificate): Promise<Place[]> {
    const places = await this.placesOf(certificate);
    const standOf = ({ destinationId }: { destinationId: number }) => ({
      certificateId: certificate.id,
      destinationId,
    });
    const isSeen = await this.sight.of(actor, places.map(standOf));
    return places.map((place) => (isSeen(standOf(place)) ? place : { ...place, location: null }));
  }

  /** Whether its private key is here, and which endpoints serve a certificate. */
  async useOf({ id, sealedKey }: Certificate): Promise<CertificateUseSeen> {
    const serving = (await this.endpoints.serving(this.db.single, [id])).get(id);
    return { hasKey: sealedKey !== null, ...(serving ?? { endpoints: 0, servedAt: [], seenAt: null }) };
  }

  /** Why its renewal would fail at `at`, by what is known now; null when nothing is known against it. */
  async refusalOf(old: Certificate, at: Date): Promise<string | null> {
    try {
      await this.renewing.outline(systemActor('plan'), old, {}, at);
      return null;
    } catch (error) {
      if (!isExpected(error)) throw error;
      return failureOf(error).detail;
    }
  }

  private async what(actor: Actor, old: Certificate, wishes: SuccessorWishes): Promise<What> {
    if (old.state === 'superseded')
      return none(obstacleTexts[old.awaitsDeployment ? 'awaitsDeployment' : 'superseded']);
    const successor = await this.certificates.findSuccessor(this.db.single, old.id);
    if (successor) return this.ofSuccessor(successor);
    const { authority, terms, validity, name } = await this.renewing.outline(actor, old, wishes);
    const destinations = (await this.placesOf(old)).map((place) => ({ ...place, state: null }));
    const names = searchNames(terms.subject.commonName ?? '', terms);
    const keyType = wishes.keyType ?? old.keyType;
    return {
      action: 'reissue',
      destinations,
      text:
        destinations.length > 0
          ? `A successor is issued and delivered to ${destinations.length} destinations.`
          : 'A successor is issued; nothing delivers it.',
      successor: { id: null, name, authority: authority.name, keyType, names, ...datesOf(validity) },
    };
  }

  /** The state of a successor that has been requested. */
  async ofSuccessor(successor: Certificate): Promise<What> {
    const destinations = await this.placesOf(successor);
    const { id, name, keyType, terms } = successor;
    const shown = {
      id,
      name,
      authority: null,
      keyType,
      names: searchNames(successor.commonName, terms),
      ...datesOf(successor),
    };
    const missing = destinations.filter(({ state }) => state === 'planned' || state === 'failing').length;
    if (successor.bodyPem === null)
      return {
        ...none('Its successor has been asked for; the issuer is still at work.'),
        successor: shown,
        destinations,
      };
    return {
      action: 'redeploy',
      text: `Its successor is issued; ${missing} of ${destinations.length} deliveries are tried again.`,
      successor: shown,
      destinations,
    };
  }

  /**
   * The certificates that the successor supersedes: this one, and its predecessors that are still issued.
   */
  private async inForce(old: Certificate): Promise<{ id: number; name: string }[]> {
    const line = new Map((await readLine(this.db.single, old.id)).map((row) => [row.id, row]));
    const found: { id: number; name: string }[] = [];
    for (let row = line.get(old.id); row?.state === 'issued'; row = line.get(row.renewsId ?? 0))
      found.push({ id: row.id, name: row.name });
    return found;
  }
}

/** Throws Problem `wrong-state` for a certificate that can have no successor. */
export function demandRotatable({ name, state, renewable }: Certificate): void {
  if (!renewable && state !== 'superseded')
    throw new Problem('wrong-state', `Certificate ${name} is ${state}; it is not renewed.`);
}

function none(text: string): What {
  return { action: 'none', text, successor: null, destinations: [] };
}

function datesOf({ notBefore, notAfter }: { notBefore: Date; notAfter: Date }): {
  notBefore: string;
  notAfter: string;
} {
  return { notBefore: instant(notBefore), notAfter: instant(notAfter) };
}
