import { Injectable } from '@nestjs/common';
import { AuthorityRepository } from '../../authorities/authority.repository.js';
import type { CaChain } from '../../authorities/ca-chain.js';
import { isSelfIssued, parseCertificate } from '../../pki/certificate.js';
import { spkiHash } from '../../pki/key.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { prepared } from '../../platform/db/statement.js';
import { Gathered } from '../../platform/gathered.js';
import { RevokedRepository } from '../revoked.repository.js';
import { type CaKey, OcspResponderRepository } from './ocsp-responder.repository.js';

/** A certificate by the key of the authority that issued it. `serialHex` as in ParsedCertificate. */
export interface Issued extends CaKey {
  serialHex: string;
}

/** What is known of a certificate. */
export interface IssuedStatus {
  notAfter: Date;
  /** `reason` is a CRLReason code (RFC 5280 §5.3.1); certificateHold for one on hold. */
  revoked: { at: Date; reason: number } | null;
}

/** Reads the certificates of authorities, in order; null for one that the authority never issued. Holds are not its. */
export type StatusReader = (tx: Tx, issued: readonly Issued[]) => Promise<(IssuedStatus | null)[]>;

/** A revocation is seen by every process after this time at the latest. */
const checkedMs = 1000;
const mostKept = 50_000;

const current = prepared<{ version: string }>('revocation_version', 'select version from revocation_version');

/**
 * The status of certificates, kept in the process. Every revocation, hold and release raises one version in the
 * database when it commits; a process that sees a new version forgets everything that it keeps.
 */
@Injectable()
export class OcspStatuses {
  private version = '';
  private checkedAtMs = -Infinity;
  private checking: Promise<void> | null = null;
  private readonly kept = new Map<string, IssuedStatus>();
  private readonly lookups = new Gathered<Issued, IssuedStatus | null>((issued) => this.read(issued), 2);
  private readCertificates: StatusReader | null = null;

  constructor(
    private readonly db: Database,
    private readonly authorities: AuthorityRepository,
    private readonly responders: OcspResponderRepository,
    private readonly revoked: RevokedRepository,
  ) {}

  /** Who knows the certificates of authorities. Call it once, in `onModuleInit`. */
  readFrom(reader: StatusReader): void {
    this.readCertificates = reader;
  }

  /** The version of all statuses, at most a second old. What was kept at another version may be wrong. */
  async current(): Promise<string> {
    if (this.known() === null) await this.check();
    return this.version;
  }

  /** As `current`, if that need not be read now; else null. */
  known(): string | null {
    return performance.now() - this.checkedAtMs > checkedMs ? null : this.version;
  }

  /** The status at this version or a later one; null when the authority never issued it, which is not kept. */
  async of(issued: Issued, version: string): Promise<IssuedStatus | null> {
    const key = `${issued.authorityId} ${issued.caSpkiSha256} ${issued.serialHex}`;
    const known = this.version === version ? this.kept.get(key) : undefined;
    if (known) return known;
    const status = await this.lookups.run(issued);
    // Another version may have come meanwhile, and this status may be from before it.
    if (status && this.version === version) this.keep(key, status);
    return status;
  }

  private keep(key: string, status: IssuedStatus): void {
    const [oldest] = this.kept.keys();
    if (this.kept.size >= mostKept && oldest !== undefined) this.kept.delete(oldest);
    this.kept.set(key, status);
  }

  private check(): Promise<void> {
    this.checking ??= this.checkNow().finally(() => (this.checking = null));
    return this.checking;
  }

  private async checkNow(): Promise<void> {
    const beganAtMs = performance.now();
    const [row] = await current(this.db.single, []);
    const version = row?.version ?? '';
    if (version !== this.version) this.kept.clear();
    this.version = version;
    this.checkedAtMs = beganAtMs;
  }

  private async read(issued: readonly Issued[]): Promise<(IssuedStatus | null)[]> {
    const tx = this.db.single;
    const serials = [...new Set(issued.map(({ serialHex }) => serialHex))];
    const [certificates, revocations] = await Promise.all([
      this.readCertificates?.(tx, issued) ?? [],
      this.revoked.ofSerials(tx, serials),
    ]);
    const found = issued.map((one, i) => {
      const revocation = revocations.find((it) => it.authorityId === one.authorityId && it.serialHex === one.serialHex);
      if (!revocation) return certificates[i] ?? null;
      const { notAfter, revokedAt, reason } = revocation;
      return { notAfter, revoked: { at: revokedAt, reason } };
    });
    const others = issued.filter((_, i) => found[i] === null);
    if (others.length === 0) return found;
    const known = await this.ofCas(tx, others);
    return issued.map((one, i) => found[i] ?? known.get(one) ?? null);
  }

  /** The status of CAs and OCSP responders that these keys have certified, roots by themselves included. */
  private async ofCas(tx: Tx, issued: readonly Issued[]): Promise<Map<Issued, IssuedStatus>> {
    const serials = [...new Set(issued.map(({ serialHex }) => serialHex))];
    const cas = (await this.authorities.ofSerials(tx, serials)).map((ca) => ({ ...ca, caSpkiSha256: signerOf(ca) }));
    const responders = await this.responders.ofSerials(tx, serials);
    const known = new Map<Issued, IssuedStatus>();
    for (const one of issued) {
      const found = [...cas, ...responders].find(
        ({ serialHex, caSpkiSha256 }) => serialHex === one.serialHex && caSpkiSha256 === one.caSpkiSha256,
      );
      if (found) known.set(one, { notAfter: found.notAfter, revoked: null });
    }
    return known;
  }
}

/** The SHA-256 of the key that signed the certificate of a CA; null when its issuer is not known. */
function signerOf({ certificatePem, chainPem: [issuerPem] }: CaChain): string | null {
  if (issuerPem !== undefined) return spkiHash(parseCertificate(issuerPem).spkiDer);
  const certificate = parseCertificate(certificatePem);
  return isSelfIssued(certificate) ? spkiHash(certificate.spkiDer) : null;
}
