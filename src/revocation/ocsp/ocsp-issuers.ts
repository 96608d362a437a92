import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { AuthorityRepository } from '../../authorities/authority.repository.js';
import { type ParsedCertificate, parseCertificate } from '../../pki/certificate.js';
import { spkiHash } from '../../pki/key.js';
import { type CertId, issuerIdsOf } from '../../pki/ocsp-request.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import type { KeyRef } from '../../platform/keys/key-store.js';
import type { CaKey } from './ocsp-responder.repository.js';

/** A key of an authority, and its certificate that expires last. */
export interface OcspIssuer extends CaKey {
  publicId: string;
  certificate: ParsedCertificate;
  keyId: KeyRef;
  /** The authority has issued nothing before. */
  since: Date;
}

/** Certificates of authorities change rarely, and a new one is found at once: see `find`. */
const keptMs = 60_000;
/** Anybody may ask for issuers that are not here: the database is read for them once in this time at most. */
const betweenReadsMs = 1000;

/** The CAs whose key is here, by the ways in which a CertID names them. Kept in the process. */
@Injectable()
export class OcspIssuers {
  /** A CA that was imported twice is two authorities. */
  private byId: ReadonlyMap<string, readonly OcspIssuer[]> = new Map();
  private parsed: ReadonlyMap<string, ParsedCertificate> = new Map();
  private readAtMs = -Infinity;
  private beganAtMs = -Infinity;
  /** The next read, which has not begun. */
  private next: Promise<void> | null = null;

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly authorities: AuthorityRepository,
  ) {}

  /**
   * `issuerId` as in CertId; `publicId` of the authority, or null for any. Null when no such authority has such a key
   * here, or its certificate has expired. One that is not known is looked for in the database; the answer may then take
   * a second.
   */
  async find(issuerId: CertId['issuerId'], publicId: string | null): Promise<OcspIssuer | null> {
    if (issuerId === null) return null;
    if (performance.now() - this.readAtMs > keptMs || !this.byId.has(issuerId)) await (this.next ??= this.readNext());
    return this.known(issuerId, publicId);
  }

  /** As `find`, of those that were read last. */
  known(issuerId: CertId['issuerId'], publicId: string | null): OcspIssuer | null {
    const isAsked = (one: OcspIssuer): boolean => publicId === null || publicId === one.publicId;
    const found = issuerId === null ? undefined : this.byId.get(issuerId)?.find(isAsked);
    return found && found.certificate.notAfter > this.clock.now() ? found : null;
  }

  /** Every key, also one whose certificate has expired. Reads the database. */
  async all(): Promise<OcspIssuer[]> {
    const rows = await this.authorities.withKeys(this.db.single);
    const parsed = new Map(rows.map(({ certificatePem: pem }) => [pem, this.parsed.get(pem) ?? parseCertificate(pem)]));
    this.parsed = parsed;
    const all = rows.map(({ id, publicId, certificatePem, keyId }) => {
      const certificate = parsed.get(certificatePem) as ParsedCertificate;
      const caSpkiSha256 = spkiHash(certificate.spkiDer);
      return { authorityId: id, publicId, certificate, keyId, caSpkiSha256, since: certificate.notBefore };
    });
    const since = new Map<number, Date>();
    for (const one of all) since.set(one.authorityId, earlier(one.since, since.get(one.authorityId)));
    const newestLast = all.sort((a, b) => a.certificate.notAfter.getTime() - b.certificate.notAfter.getTime());
    // Of several certificates of a key, the one that expires last stays in the map.
    const byKey = new Map(newestLast.map((one) => [`${one.authorityId} ${one.caSpkiSha256}`, one]));
    return [...byKey.values()].map((one) => ({ ...one, since: since.get(one.authorityId) ?? one.since }));
  }

  /** Whoever calls before it begins shares it, so nobody gets an answer that was read before the call. */
  private async readNext(): Promise<void> {
    await sleep(Math.max(0, this.beganAtMs + betweenReadsMs - performance.now()));
    this.next = null;
    await this.read();
  }

  private async read(): Promise<void> {
    const beganAtMs = performance.now();
    this.beganAtMs = beganAtMs;
    const all = await this.all();
    const byId = new Map<string, OcspIssuer[]>();
    for (const issuer of all)
      for (const id of issuerIdsOf(issuer.certificate)) byId.set(id, [...(byId.get(id) ?? []), issuer]);
    if (beganAtMs < this.readAtMs) return;
    this.byId = byId;
    this.readAtMs = beganAtMs;
  }
}

function earlier(one: Date, other = one): Date {
  return other < one ? other : one;
}
