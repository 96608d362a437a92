import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import type { Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { spkiHash } from '../../pki/key.js';
import { isPrecertificate } from '../../pki/precertificate.js';
import { CertificateRepository } from '../certificate.repository.js';
import { lockKeys } from '../issue/key-rules.js';
import { Notices } from '../notify/notices.js';
import { completePrecertificate } from '../precertificate.js';
import { DiscoveredRepository, type SameKey } from './discovered.repository.js';
import type { Finding } from './findings.js';

/**
 * Matches a certificate with its precertificate (RFC 6962 §3.1): the two differ in every octet that a fingerprint
 * covers, and have the same serial number and key. Tells of logged certificates that nobody requested here.
 */
@Injectable()
export class LoggedFindings {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly discovered: DiscoveredRepository,
    private readonly notices: Notices,
    private readonly audit: Audit,
  ) {}

  /**
   * Adds to `idOf` (ids by fingerprint) the findings that are another form of a stored certificate; a stored
   * precertificate becomes the certificate. Returns the findings to go on with: not those that a log shows while the
   * order for their key is open here, since its issuer delivers them.
   */
  async match(tx: Tx, findings: readonly Finding[], idOf: Map<string, number>): Promise<Finding[]> {
    const fresh = findings.filter(({ facts }) => !idOf.has(facts.sha256));
    // The certificate may be uploaded at the same moment.
    await lockKeys(
      tx,
      fresh.filter(isPre).map((finding) => identityOf(finding).spkiSha256),
    );
    const stored = await this.discovered.withSameKey(tx, fresh.map(identityOf));
    const awaited = new Set<Finding>();
    const byId = (a: [Finding, SameKey], b: [Finding, SameKey]): number => a[1].id - b[1].id;
    const pairs = fresh.flatMap((finding): [Finding, SameKey][] => {
      const { serialHex, spkiSha256 } = identityOf(finding);
      const same = stored.filter((one) => one.spkiSha256 === spkiSha256);
      if (finding.logged && same.some(({ isOpen }) => isOpen)) awaited.add(finding);
      return same.filter((one) => !one.isOpen && one.serialHex === serialHex).map((one) => [finding, one]);
    });
    for (const [finding, { id }] of pairs.sort(byId)) {
      const isCompleted =
        !isPre(finding) &&
        (await this.certificates.change(tx, id, (row) => completePrecertificate(row, finding.facts)));
      if (isCompleted) await this.recordCompleted(tx, id, finding);
      if (isCompleted || finding.logged) idOf.set(finding.facts.sha256, id);
    }
    return findings.filter((finding) => !awaited.has(finding));
  }

  /** Tells the owner and the subscriptions of logged certificates that were not known. */
  async tell(tx: Tx, importedIds: readonly number[]): Promise<void> {
    if (importedIds.length > 0) await this.notices.unexpected(tx, await this.certificates.getMany(tx, importedIds));
  }

  private async recordCompleted(tx: Tx, id: number, { facts, location }: Finding): Promise<void> {
    await this.audit.record(tx, systemActor(''), {
      action: 'certificate.precertificate-replaced',
      targetType: 'certificate',
      targetId: id,
      after: { fingerprint: facts.sha256, location },
    });
  }
}

/**
 * Of logged findings that are one certificate, the certificate rather than its precertificate, and no other twice.
 * `idOf` gets the ids of those that are left out when `importedAs` is called with the ids of the others.
 */
export function withoutPrecertificates(findings: readonly Finding[]): {
  kept: Finding[];
  importedAs: (idOf: Map<string, number>) => void;
} {
  const kept = new Map<string, Finding>();
  for (const finding of findings) {
    const { serialHex, spkiSha256 } = identityOf(finding);
    const key = finding.logged ? `${serialHex} ${spkiSha256}` : finding.facts.sha256;
    const before = kept.get(key);
    if (!before || (isPre(before) && !isPre(finding))) kept.set(key, finding);
  }
  const importedAs = (idOf: Map<string, number>): void => {
    for (const finding of findings) {
      const { serialHex, spkiSha256 } = identityOf(finding);
      const id = idOf.get(kept.get(`${serialHex} ${spkiSha256}`)?.facts.sha256 ?? '');
      if (finding.logged && id !== undefined) idOf.set(finding.facts.sha256, id);
    }
  };
  return { kept: [...kept.values()], importedAs };
}

function identityOf({ uploaded, facts }: Finding): { serialHex: string; spkiSha256: string } {
  return { serialHex: facts.serialHex, spkiSha256: spkiHash(uploaded.leaf.spkiDer) };
}

function isPre({ uploaded }: Finding): boolean {
  return isPrecertificate(uploaded.leaf);
}
