import { Injectable } from '@nestjs/common';
import { Authorities, type LoadedAuthority } from '../authorities/authorities.js';
import type { IssuingKey } from '../authorities/issuing-keys.js';
import { publicationOf, publicUrls, urlFor } from '../authorities/public-urls.js';
import { parseCertificate } from '../pki/certificate.js';
import { type CrlHead, signCrl } from '../pki/crl.js';
import { issuerKeyIdentifier } from '../pki/issuer-key.js';
import { signatureAlgorithmOf } from '../pki/sign.js';
import { PluginError } from '../plugin-api/errors.js';
import type { Publication } from '../plugin-api/publication.js';
import type { Signer } from '../plugin-api/signer.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { type Crl, CrlRepository, type NewList } from './crl.repository.js';
import { Crls } from './crls.js';
import { ImportedCrlRepository } from './imported-crl.repository.js';
import { RevokedRepository } from './revoked.repository.js';

const hourMs = 3_600_000;
/** A transaction that was open for longer while the base list was made may be missing in the delta lists. */
const longestTransactionMs = 15 * 60_000;
const attempts = 5;

/** Everything that signing a CRL needs. */
interface Issuing {
  signer: Signer;
  publication: Publication;
  head: Pick<CrlHead, 'issuerDer' | 'issuerKeyIdentifier' | 'signatureAlgorithm'>;
  publicId: string;
  hash: string | null;
}

/** Makes CRLs and stores them. */
@Injectable()
export class CrlMaker {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly authorities: Authorities,
    private readonly lists: CrlRepository,
    private readonly revoked: RevokedRepository,
    private readonly published: Crls,
    private readonly imported: ImportedCrlRepository,
  ) {}

  /**
   * Makes the list anew from what is revoked now, and the delta list beside it. A list that another process has stored
   * meanwhile may hold less than this one, so it is made once more. Throws PluginError when the authority cannot sign.
   */
  async make(id: number, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const crl = await this.lists.find(this.db.single, id);
      if (crl === null) return;
      const key = (await this.authorities.keysOf(crl.authorityId)).find(({ keyId }) => keyId === crl.keyId);
      if (!key || parseCertificate(key.certificatePem).notAfter <= this.clock.now())
        return this.lists.end(this.db.single, id);
      const issuing = await this.issuingOf(await this.authorities.get(crl.authorityId), key);
      const list = await this.build(crl, issuing, signal);
      if (await this.db.write((tx) => this.lists.save(tx, crl, list))) return this.published.offer(id, list);
    }
    throw new PluginError('unavailable', 'Other processes make this CRL at the same time.');
  }

  /** Throws PluginError when the key cannot sign CRLs. */
  private async issuingOf(loaded: LoadedAuthority, key: IssuingKey): Promise<Issuing> {
    const { name, publicId } = loaded.authority;
    const publication = publicationOf(loaded);
    if (!publication) throw new PluginError('misconfigured', `The issuer of authority ${name} does not publish CRLs.`);
    const certificate = parseCertificate(key.certificatePem);
    const { keyUsage, subjectDer } = certificate;
    if (keyUsage.length > 0 && !keyUsage.includes('cRLSign'))
      throw new PluginError(
        'misconfigured',
        `The certificate of authority ${name} may not sign CRLs (key usage cRLSign is missing).`,
      );
    const signer = await this.authorities.signerFor(key);
    const { hash, algorithmDer } = signatureAlgorithmOf(signer);
    const head = {
      issuerDer: subjectDer,
      issuerKeyIdentifier: issuerKeyIdentifier(certificate),
      signatureAlgorithm: algorithmDer,
    };
    return { signer, publication, head, hash, publicId };
  }

  private async build(crl: Crl, issuing: Issuing, signal: AbortSignal): Promise<NewList> {
    const { publication } = issuing;
    const lifetimeMs = publication.crlHours * hourMs;
    const listed = { authorityId: crl.authorityId, shard: crl.shard, keptSince: crl.baseAt };
    const { parts, count } = await this.revoked.entriesOf(this.db.single, listed, signal);
    // Taken after the entries were read, so that no revocation lies after it.
    const thisUpdate = wholeSeconds(this.clock.now());
    const isBase = crl.baseAt === null || crl.baseAt.getTime() + lifetimeMs / 2 <= thisUpdate.getTime();
    const highest = await this.imported.highestNumber(this.db.single, crl.authorityId);
    const number = nextNumber(crl.number, highest, this.clock.now());
    const [baseNumber, baseAt] =
      isBase || crl.baseNumber === null || crl.baseAt === null
        ? [number, thisUpdate]
        : [BigInt(crl.baseNumber), crl.baseAt];
    const times = { thisUpdate, nextUpdate: new Date(thisUpdate.getTime() + lifetimeMs) };
    const head = {
      ...issuing.head,
      ...times,
      number,
      ...(crl.shard !== null && { distributionPoint: crl.urls }),
    };
    const sign = (tbs: Buffer): Promise<Buffer> => issuing.signer.sign(issuing.hash, tbs);
    const freshest = this.deltaUrls(crl, issuing);
    const der = await signCrl({ ...head, ...(freshest && { freshest }) }, parts, sign);
    let deltaDer: Buffer | null = null;
    if (freshest) {
      const changedSince = new Date(baseAt.getTime() - longestTransactionMs);
      const changed = await this.revoked.entriesOf(this.db.single, { ...listed, changedSince }, signal);
      deltaDer = await signCrl({ ...head, baseNumber }, changed.parts, sign);
    }
    const dueAt = new Date(thisUpdate.getTime() + lifetimeMs / 2);
    const overdueAt = new Date(thisUpdate.getTime() + (lifetimeMs * 3) / 4);
    return { ...times, number, baseNumber, baseAt, entries: count, dueAt, overdueAt, der, deltaDer };
  }

  /** Where the delta list is; null when there is none. */
  private deltaUrls(crl: Crl, { publication, publicId }: Issuing): string[] | null {
    const { pkiUrl } = this.config;
    if (!publication.deltaCrl || pkiUrl === undefined) return null;
    const { delta, shardedDelta } = publicUrls(pkiUrl, publicId);
    return [urlFor(crl.shard === null ? delta : shardedDelta, crl)];
  }
}

/**
 * Greater than the last one, and than those of the lists that were imported. It follows the time, so that it also grows
 * over a database that was restored from an older backup (RFC 5280 §5.2.3).
 */
function nextNumber(last: string | null, imported: bigint, now: Date): bigint {
  const candidates = [BigInt(last ?? 0) + 1n, imported + 1n, BigInt(now.getTime())];
  return candidates.reduce((highest, one) => (one > highest ? one : highest));
}

function wholeSeconds(date: Date): Date {
  return new Date(Math.floor(date.getTime() / 1000) * 1000);
}
