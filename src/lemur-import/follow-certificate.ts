import { CertificateRepository } from '../certificates/certificate.repository.js';
import { keyPlace } from '../certificates/issue/new-row.js';
import { RevokeConsequences } from '../certificates/revoke/revoke.service.js';
import { Audit } from '../audit/audit.js';
import { privateKeyPem } from '../platform/key-maker.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import type { LemurLinks } from './certificate-links.js';
import { digestOfCertificate } from './certificate-row.js';
import type { ReadCertificate } from './read-certificate.js';
import type { Run, Step } from './run.js';

const table = 'certificates';

/**
 * Updates an imported certificate that has changed in Lemur since: adds its key if it opens now, and applies a
 * revocation, deletion or replacement. All other changes are ignored: since the import the certificate is managed here.
 */
export async function followCertificate(
  run: Run,
  { tx, report }: Step,
  read: ReadCertificate,
  { id, links }: { id: number | null; links: LemurLinks },
): Promise<void> {
  const { row, key, leaf, notes } = read;
  notes.forEach((note) => report.note(note));
  report.count(table, 'updated');
  if (id === null) return;
  const { get, actor, now } = run.parts;
  const changes = await get(CertificateRepository).change(tx, id, async (certificate) => {
    if (certificate.sha256 !== leaf.fingerprintSha256) {
      throw new Error(
        `Certificate ${row.id} of this database is not the one that was imported under ` +
          `this id (${certificate.name}): this is the database of another Lemur.`,
      );
    }
    const gainsKey = key !== null && certificate.sealedKey === null;
    if (gainsKey) certificate.sealedKey = get(KeyRing).seal(privateKeyPem(key), keyPlace(certificate.secretId));
    const isRevoked =
      row.status === 'revoked' && (certificate.state === 'issued' || certificate.state === 'superseded');
    const isDeleted = row.deleted === true && certificate.deletedAt === null;
    // A certificate that is still served keeps its notices, as in the first import.
    const isReplaced = links.replaced.has(row.id) && certificate.watched && !links.served.has(row.id);
    if (isDeleted) certificate.delete(now);
    else if (isReplaced) certificate.recordReplaced();
    return {
      ...(gainsKey && { key: true }),
      ...(isRevoked && { revoked: true }),
      ...(isDeleted && { deleted: true }),
      ...(isReplaced && !isDeleted && { replaced: true }),
    };
  });
  if (changes.revoked) await get(RevokeConsequences).revoke(tx, id, { reason: 0, comments: null, at: now });
  if (Object.keys(changes).length > 0) {
    await get(Audit).record(tx, actor, {
      action: 'certificate.followed',
      targetType: 'certificate',
      targetId: id,
      after: { lemurId: row.id, ...changes },
    });
  } else if (!read.keyLost) {
    report.note({
      kind: 'changed',
      table,
      id: row.id,
      name: row.name ?? '',
      text: 'It has changed in Lemur since its import; the change is not applied here.',
    });
  }
  await run.legacy.remember(tx, 'certificate', [{ legacyId: row.id, id, digest: digestOfCertificate(read, links) }]);
}
