import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { type ParsedCertificate, parseCertificate } from '../pki/certificate.js';
import { buildCsrBy, type CsrContent, parseCsr } from '../pki/csr.js';
import { ExtensionOid, subjectKeyIdentifier } from '../pki/extensions.js';
import { issuerKeyIdentifier } from '../pki/issuer-key.js';
import { isSameKey } from '../pki/key.js';
import { sameName } from '../pki/names.js';
import { Clock } from '../platform/clock.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type KeyRef, KeyStore } from '../platform/keys/key-store.js';
import { isAdmin } from '../roles/permission.js';
import type { AuthorityCsr } from './authority-csr.entity.js';
import { AuthorityCsrRepository, notFound } from './authority-csr.repository.js';
import {
  type AuthorityCertificate,
  type AuthorityCsrView,
  authorityCsrView,
  type CreateAuthorityCsr,
  type RenewalCsr,
} from './authority-csr.schema.js';
import { AuthorityIssuers } from './authority-issuers.js';
import { AuthorityStore } from './authority-store.js';
import { blameChain, type CaChain, factsOf, readCaChain } from './ca-chain.js';
import { AuthorityMaker } from './create-authority.js';
import { caContentOf, caCsrContent, keyTypeOf, newKeyOf } from './ca-request.js';

/**
 * Authorities whose certificate a CA elsewhere signs. The key is made here and the CSR handed out; when the certificate
 * arrives, the authority is made or renewed. Until then it does not exist, so nothing can be issued from it.
 */
@Injectable()
export class AuthorityCsrs {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly csrs: AuthorityCsrRepository,
    private readonly keys: KeyStore,
    private readonly issuers: AuthorityIssuers,
    private readonly maker: AuthorityMaker,
    private readonly store: AuthorityStore,
    private readonly audit: Audit,
  ) {}

  async list(actor: Actor): Promise<AuthorityCsrView[]> {
    const rows = await this.csrs.list(this.db.single, isAdmin(actor) ? null : actor.userId);
    return rows.map(authorityCsrView);
  }

  /** Throws Problem `not-found`, also when the actor may not know of it. */
  async see(actor: Actor, id: number): Promise<AuthorityCsrView> {
    return authorityCsrView(demandOwn(actor, await this.csrs.get(this.db.single, id)));
  }

  /** Throws Problem `forbidden`, `conflict` or `invalid-request`. */
  async create(actor: Actor, request: CreateAuthorityCsr): Promise<AuthorityCsrView> {
    const { settings } = this.maker.settings(request, null, actor);
    const content = caCsrContent({ ...caContentOf(request), pathLength: request.pathLength ?? 0 });
    await this.store.demandFreeName(this.db.single, request.name);
    const { ref, signer } = await this.keys.create({
      keyType: keyTypeOf(request),
      userId: actor.userId,
      store: request.keyStore,
    });
    const { sealedOptions, secretId } = settings;
    return this.keeping(ref, async () => {
      const csrPem = await buildCsrBy(content, signer);
      const waiting = {
        ...settings,
        sealedOptions: null,
        request: { roles: request.roles ?? [] },
        pathLength: request.pathLength ?? 0,
      };
      const row = { name: request.name, authorityId: null, settings: waiting, sealedOptions, secretId };
      return this.add(actor, { ...row, keyId: ref, csrPem });
    });
  }

  /** For an authority whose key is here. Throws Problem `not-found`, `forbidden` or `conflict`. */
  async renew(actor: Actor, authorityId: number, { newKey, ...wish }: RenewalCsr): Promise<AuthorityCsrView> {
    const authority = await this.issuers.demandChange(actor, authorityId);
    const { keyId, name, certificatePem } = authority;
    if (keyId === null) throw new Problem('conflict', `The key of authority ${name} is not here: renew it there.`);
    const content = csrContentOf(parseCertificate(certificatePem), newKey);
    const row = { name, authorityId, settings: null, sealedOptions: null, secretId: randomUUID() };
    if (!newKey) {
      const csrPem = await buildCsrBy(content, await this.keys.signerFor(keyId));
      return this.add(actor, { ...row, keyId, csrPem });
    }
    const { ref, signer } = await this.keys.create(await newKeyOf(authority, wish, actor, this.keys));
    return this.keeping(ref, async () =>
      this.add(actor, { ...row, keyId: ref, csrPem: await buildCsrBy(content, signer) }),
    );
  }

  /** The id of the authority. Throws Problem `not-found`, `conflict` or `invalid-request`. */
  async certify(actor: Actor, id: number, { chain }: AuthorityCertificate): Promise<number> {
    const csr = demandOwn(actor, await this.csrs.get(this.db.single, id));
    const own = await blameChain(() => readCaChain([chain]));
    demandFitting(own, csr, this.clock.now());
    const { authorityId, settings, keyId, sealedOptions } = csr;
    const done = async (tx: Tx): Promise<void> => {
      await this.csrs.lock(tx, id);
      await this.csrs.delete(tx, id);
    };
    if (authorityId !== null) {
      const authority = await this.issuers.demandChange(actor, authorityId);
      const added = { chains: [own], origin: 'renewed', keyId } as const;
      await this.droppingEarlier(actor, authorityId, keyId, (drop) =>
        this.issuers.renewed(actor, authority, added, async (tx) => {
          await done(tx);
          await drop(tx);
        }),
      );
      return authorityId;
    }
    if (!settings) throw new Error(`The certificate request ${id} is for no authority.`);
    const row = { ...settings, sealedOptions, createdAt: this.clock.now() };
    return this.store.add(
      actor,
      { ...row, ...factsOf(own), keyId },
      { request: settings.request, issuers: null, also: done },
    );
  }

  /** Throws Problem `not-found`. */
  async drop(actor: Actor, id: number): Promise<AuthorityCsrView> {
    const csr = await this.db.write(async (tx) => {
      const row = demandOwn(actor, await this.csrs.lock(tx, id));
      await this.csrs.delete(tx, id);
      await this.audit.record(tx, actor, { action: 'authority.csr-dropped', ...recorded(row) });
      return row;
    });
    // The database refuses to delete a key that an authority has.
    await this.keys.forget(csr.keyId).catch(() => undefined);
    return authorityCsrView(csr);
  }

  /**
   * `store` gives an authority a certificate for this key, and calls `drop` in its transaction: requests for earlier
   * keys go, since a certificate for one of these would make it sign again.
   */
  async droppingEarlier(
    actor: Actor,
    authorityId: number,
    keyId: KeyRef,
    store: (drop: (tx: Tx) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    let dropped: KeyRef[] = [];
    await store(async (tx) => {
      const rows = await this.csrs.takeEarlier(tx, authorityId, keyId);
      dropped = rows.map((row) => row.keyId);
      for (const row of rows) await this.audit.record(tx, actor, { action: 'authority.csr-dropped', ...recorded(row) });
    });
    // The database refuses to delete a key that an authority has.
    await Promise.all(dropped.map((ref) => this.keys.forget(ref).catch(() => undefined)));
  }

  private async add(
    actor: Actor,
    given: Omit<AuthorityCsr, 'id' | 'creatorId' | 'createdAt'>,
  ): Promise<AuthorityCsrView> {
    return this.db.write(async (tx) => {
      const creatorId = actor.userId || null;
      const row = await this.csrs.add(tx, { ...given, creatorId, createdAt: this.clock.now() });
      await this.audit.record(tx, actor, { action: 'authority.csr-created', ...recorded(row) });
      return authorityCsrView(row);
    });
  }

  /** Drops the new key when `work` fails. */
  private async keeping<T>(ref: KeyRef, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.keys.forget(ref).catch(() => undefined);
      throw error;
    }
  }
}

function recorded({ id, name, authorityId, csrPem }: AuthorityCsr) {
  const { subject, keyType } = parseCsr(csrPem);
  return { targetType: 'authority-csr', targetId: id, after: { name, authorityId, subject, keyType } };
}

/** Throws Problem `not-found` unless an administrator or its creator asks. */
function demandOwn(actor: Actor, csr: AuthorityCsr): AuthorityCsr {
  if (isAdmin(actor) || (csr.creatorId !== null && csr.creatorId === actor.userId)) return csr;
  throw notFound(csr.id);
}

/** A CA asks for what it has: its name, the limits that it keeps, and the identifier of a key that stays. */
function csrContentOf(old: ParsedCertificate, newKey: boolean): CsrContent {
  return caCsrContent({
    subject: old.subjectFields,
    subjectDer: old.subjectDer,
    pathLength: old.pathLength,
    extensions: [
      ...(newKey ? [] : [subjectKeyIdentifier(issuerKeyIdentifier(old))]),
      ...old.extensions.filter(({ oid }) => oid === ExtensionOid.nameConstraints),
    ],
  });
}

/** Throws Problem `invalid-request` when the CA has signed something else than was asked. */
function demandFitting({ certificatePem, chainPem }: CaChain, { csrPem, settings }: AuthorityCsr, now: Date): void {
  const [certificate, csr] = [parseCertificate(certificatePem), parseCsr(csrPem)];
  const faults = [
    !isSameKey(certificate.spkiDer, csr.spkiDer) && 'The certificate is not for the key of the request.',
    !sameName(certificate.subjectDer, csr.subjectDer) &&
      `The certificate is for ${certificate.subject}, the request for ${csr.subject}.`,
    certificate.notAfter <= now && `The certificate expired at ${certificate.notAfter.toISOString()}.`,
    (certificate.pathLength ?? Infinity) < (settings?.pathLength ?? 0) &&
      `The certificate allows fewer CAs below it than the request asks for (${settings?.pathLength}).`,
    chainPem.some((pem, above) => (parseCertificate(pem).pathLength ?? Infinity) <= above) &&
      'A CA in the chain allows no CA below it (path length).',
  ].filter((fault) => fault !== false);
  if (faults.length > 0) throw invalid('chain', faults.join(' '));
}
