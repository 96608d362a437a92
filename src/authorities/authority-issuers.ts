import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '../audit/audit.js';
import { defineJob } from '../jobs/define-job.js';
import { parseCertificate } from '../pki/certificate.js';
import { isSameKey } from '../pki/key.js';
import { sameName } from '../pki/names.js';
import { PkiError } from '../pki/pki-error.js';
import { PluginError } from '../plugin-api/errors.js';
import type { IssuerPlugin } from '../plugin-api/issuer.js';
import type { OptionSchema } from '../plugin-api/options.js';
import { Clock } from '../platform/clock.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import type { KeyRef } from '../platform/keys/key-store.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import { Authorities, demandActive } from './authorities.js';
import { authorityChanged } from './authority-changed.js';
import type { Authority } from './authority.entity.js';
import { AuthorityRepository, viewerOf } from './authority.repository.js';
import {
  AuthorityIssuerRepository,
  issuerRows,
  type NewIssuer,
  type NewIssuers,
} from './authority-issuer.repository.js';
import {
  type AddIssuer,
  type AuthorityIssuerView,
  authorityIssuerView,
  type ChooseIssuer,
} from './authority-issuer.schema.js';
import { demandRight } from './authority-store.js';
import { blameChain, type CaChain, factsOf, issuerFacts, readCaChain } from './ca-chain.js';

const askMs = 30_000;

/**
 * An authority issues with certificates that were not known before: who refused an answer because of that looks again.
 */
export const issuersAdded = defineJob('authority.issuers-added', z.strictObject({ authorityId: z.int() }));

/**
 * The certificates with which an authority issues: its own and those that were added. For a CA that is elsewhere, an
 * answer that any of them signed is accepted, so only the CA itself and people who may change the authority add one. An
 * authority whose key is here signs with the key of its own; the others are of earlier keys, or alternates.
 */
@Injectable()
export class AuthorityIssuers {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly authorities: Authorities,
    private readonly repository: AuthorityRepository,
    private readonly issuers: AuthorityIssuerRepository,
    private readonly contexts: PluginContexts,
    private readonly audit: Audit,
  ) {}

  /** The authority's own certificate first. Throws Problem `not-found`, also when the actor may not know of it. */
  async list(actor: Actor, authorityId: number): Promise<AuthorityIssuerView[]> {
    const tx = this.db.single;
    await this.repository.demandVisible(tx, authorityId, viewerOf(actor));
    const [own, ...others] = await this.issuersOf(tx, await this.repository.get(tx, authorityId));
    const issuers = [own, ...others];
    const users = await this.issuers.creatorsOf(tx, issuers);
    return issuers.map((one) => authorityIssuerView(one, own.sha256, users.get(one.creatorId ?? 0) ?? null));
  }

  /**
   * Adds a certificate that a person brings. Where the key is here, another CA has signed the present key and name: an
   * alternate chain. Throws Problem.
   */
  async upload(actor: Actor, authorityId: number, { chain }: AddIssuer): Promise<AuthorityIssuerView[]> {
    await this.demandChange(actor, authorityId);
    const own = await blameChain(() => readCaChain([chain]));
    const authority = await this.repository.get(this.db.single, authorityId);
    if (authority.keyId === null) await this.add(actor, authorityId, { chains: [own], origin: 'uploaded' });
    else {
      demandSameCa(own, authority);
      await this.renewed(actor, authority, { chains: [own], origin: 'uploaded', keyId: authority.keyId });
    }
    return this.list(actor, authorityId);
  }

  /** The authority issues with this certificate, and gives out its chain, from now on. Throws Problem. */
  async choose(actor: Actor, authorityId: number, { sha256 }: ChooseIssuer): Promise<AuthorityIssuerView[]> {
    await this.demandChange(actor, authorityId);
    await this.db.write(async (tx) => {
      const authority = await this.repository.lock(tx, authorityId);
      const [own, ...others] = await this.issuersOf(tx, authority);
      if (own.sha256 === sha256) return;
      const chosen = others.find((one) => one.sha256 === sha256);
      if (!chosen) throw invalid('sha256', 'The authority has no such certificate.');
      if (chosen.notAfter <= this.clock.now()) throw invalid('sha256', 'This certificate has expired.');
      await this.issuers.add(tx, [ownIssuer(authority)]);
      const { serialHex, notAfter } = authority;
      Object.assign(authority, factsOf(chosen), { keyId: chosen.keyId });
      await this.repository.save(tx, authority);
      await authorityChanged.enqueue(tx, { authorityId });
      await this.audit.record(tx, actor, {
        action: 'authority.issuer-chosen',
        targetType: 'authority',
        targetId: authorityId,
        before: { serialHex, notAfter },
        after: { serialHex: authority.serialHex, notAfter: authority.notAfter, sha256 },
      });
    });
    return this.list(actor, authorityId);
  }

  /**
   * Stores a certificate of an authority whose key is here. One that is renewed becomes its own; the earlier one is
   * kept, with its key. `also`: more to do in the same transaction. Throws Problem `conflict` when the authority was
   * renewed at the same time, `authority-inactive` when it was revoked or stopped meanwhile.
   */
  async renewed(
    actor: Actor,
    before: Authority,
    added: NewIssuers & { keyId: KeyRef },
    also?: (tx: Tx) => Promise<void>,
  ): Promise<void> {
    await this.db.write(async (tx) => {
      await also?.(tx);
      const authority = await this.repository.lock(tx, before.id);
      const { serialHex, notAfter, certificatePem } = authority;
      if (certificatePem !== before.certificatePem)
        throw new Problem('conflict', `Authority ${authority.name} has another certificate since: look at it first.`);
      if (before.active) demandActive(authority);
      await this.demandNoEarlierKey(tx, authority, added.keyId);
      const rows = issuerRows(authority.id, added, actor, this.clock.now());
      await this.issuers.add(tx, [ownIssuer(authority), ...rows]);
      const [own] = added.chains;
      if (added.origin === 'renewed' && own) {
        if (authority.keyId === added.keyId) await this.repository.replaceInChains(tx, certificatePem, own);
        Object.assign(authority, factsOf(own), { keyId: added.keyId });
      }
      await this.repository.save(tx, authority);
      await authorityChanged.enqueue(tx, { authorityId: authority.id });
      await this.audit.record(tx, actor, {
        action: 'authority.renewed',
        targetType: 'authority',
        targetId: authority.id,
        before: { serialHex, notAfter },
        after: {
          origin: added.origin,
          newKey: added.keyId !== before.keyId,
          issuers: rows.map(({ subject, sha256 }) => ({ subject, sha256 })),
          serialHex: authority.serialHex,
          notAfter: authority.notAfter,
        },
      });
    });
  }

  /** Asks the CA because a person wants it. Throws as `refresh`, and Problem `not-found` or `forbidden`. */
  async ask(actor: Actor, authorityId: number): Promise<AuthorityIssuerView[]> {
    await this.demandChange(actor, authorityId);
    await this.refresh(actor, authorityId, AbortSignal.timeout(askMs));
    return this.list(actor, authorityId);
  }

  /**
   * Asks the CA for its certificates and adds what is new. Throws Problem `authority-inactive` or `conflict`, and
   * PluginError: `misconfigured` when the issuer has no such verb.
   */
  async refresh(actor: Actor, authorityId: number, signal: AbortSignal): Promise<void> {
    const { plugin, options, authority } = await this.authorities.get(authorityId);
    demandActive(authority);
    demandElsewhere(authority);
    const chains = await describeCa(plugin, () => plugin.describe?.(options, this.contexts.make(signal)));
    await this.add(actor, authorityId, { chains, origin: 'described' });
  }

  /** Throws Problem `not-found` or `forbidden`. */
  async demandChange(actor: Actor, id: number): Promise<Authority> {
    const tx = this.db.single;
    await this.repository.demandVisible(tx, id, viewerOf(actor));
    const authority = await this.repository.get(tx, id);
    demandRight(actor, authority, await this.repository.rolesOfOne(tx, id));
    return authority;
  }

  /** A key that was followed by another one is not to sign again. Throws Problem `conflict`. */
  private async demandNoEarlierKey(tx: Tx, { id, name, keyId }: Authority, given: KeyRef): Promise<void> {
    if (given === keyId || (await this.issuers.of(tx, id)).every((one) => one.keyId !== given)) return;
    throw new Problem('conflict', `The certificate is for an earlier key of authority ${name}: ask for a new request.`);
  }

  private async issuersOf(tx: Tx, authority: Authority): Promise<[NewIssuer, ...NewIssuer[]]> {
    const stored = await this.issuers.of(tx, authority.id);
    const own = ownIssuer(authority);
    const row = stored.find(({ sha256 }) => sha256 === own.sha256);
    return [row ?? own, ...stored.filter((one) => one !== row)];
  }

  /** Adds what is new. The one that ends last becomes the authority's own certificate. Throws Problem `conflict`. */
  private add(actor: Actor, authorityId: number, added: NewIssuers): Promise<void> {
    return this.db.write(async (tx) => {
      const authority = await this.repository.lock(tx, authorityId);
      demandElsewhere(authority);
      const known = new Set((await this.issuersOf(tx, authority)).map(({ sha256 }) => sha256));
      const rows = issuerRows(authorityId, added, actor, this.clock.now());
      const fresh = rows.filter(({ sha256 }) => !known.has(sha256));
      if (fresh.length === 0) return;
      const newest = fresh.reduce((last, one) => (one.notAfter > last.notAfter ? one : last));
      const { serialHex, notAfter } = authority;
      await this.issuers.add(tx, [ownIssuer(authority), ...fresh]);
      const isLonger = newest.notAfter > notAfter;
      if (isLonger) Object.assign(authority, factsOf(newest));
      await this.repository.save(tx, authority);
      await issuersAdded.enqueue(tx, { authorityId });
      await this.audit.record(tx, actor, {
        action: 'authority.issuers-added',
        targetType: 'authority',
        targetId: authorityId,
        ...(isLonger && { before: { serialHex, notAfter } }),
        after: {
          origin: added.origin,
          issuers: fresh.map(({ subject, sha256 }) => ({ subject, sha256 })),
          ...(isLonger && { serialHex: newest.serialHex, notAfter: newest.notAfter }),
        },
      });
    });
  }
}

/** Asks an issuer. Throws PluginError: `misconfigured` when it has no such verb, `refused` for what is no CA chain. */
export async function describeCa(
  { title }: IssuerPlugin<OptionSchema>,
  ask: () => ReturnType<NonNullable<IssuerPlugin<OptionSchema>['describe']>> | undefined,
): Promise<CaChain[]> {
  const answer = await ask();
  if (!answer) throw new PluginError('misconfigured', `${title} cannot be asked for its certificates: upload them.`);
  if (answer.issuers.length === 0)
    throw new PluginError('refused', `${title} named no certificate that it issues with.`);
  try {
    return await Promise.all(answer.issuers.map(({ chainPem }) => readCaChain(chainPem)));
  } catch (error) {
    if (error instanceof PkiError)
      throw new PluginError('refused', `${title} named a certificate that is not usable: ${error.message}.`);
    throw error;
  }
}

function ownIssuer(authority: Authority): NewIssuer {
  const { id, keyId, creatorId, createdAt } = authority;
  return { ...issuerFacts(authority), authorityId: id, origin: 'created', keyId, signerId: null, creatorId, createdAt };
}

/** Another CA has signed the name and the key of this authority. Throws Problem `invalid-request`. */
function demandSameCa({ certificatePem }: CaChain, authority: Authority): void {
  const [given, own] = [parseCertificate(certificatePem), parseCertificate(authority.certificatePem)];
  if (!sameName(given.subjectDer, own.subjectDer))
    throw invalid('chain', `The certificate is for ${given.subject}, not for ${own.subject}.`);
  if (!isSameKey(given.spkiDer, own.spkiDer))
    throw invalid('chain', `The certificate is not for the present key of authority ${authority.name}.`);
}

/** Throws Problem `conflict`. */
function demandElsewhere({ name, keyId }: Authority): void {
  if (keyId === null) return;
  throw new Problem('conflict', `Authority ${name} has its key here: there is no CA elsewhere to ask.`);
}
