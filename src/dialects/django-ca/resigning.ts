import { Injectable } from '@nestjs/common';
import { CertificateAccess } from '../../certificates/access.js';
import type { Certificate } from '../../certificates/certificate.entity.js';
import { CertificateRepository } from '../../certificates/certificate.repository.js';
import { readCsr } from '../../certificates/issue/csr-terms.js';
import { withContent } from '../../certificates/issue/given-content.js';
import { commandForCsr, type IssueCommand } from '../../certificates/issue/issue-command.js';
import type { IssueRequest } from '../../certificates/issue/issue.schema.js';
import { IssuedCertificates } from '../../certificates/list/issued-certificates.js';
import { loadTerms } from '../../certificates/terms.js';
import { encodeSubject } from '../../pki/names.js';
import { Database } from '../../platform/db/database.js';
import { Problem } from '../../platform/http/problem.js';
import { serialHexIn } from './authorities-by-serial.js';
import { alreadyRevoked } from './revoking.js';
import type { Asking } from './sign-command.js';
import type { ResignBody } from './sign.schema.js';

/** Has certificates signed again: the same key, content, profile, owner and settings, with another end. */
@Injectable()
export class Resigning {
  constructor(
    private readonly db: Database,
    private readonly issued: IssuedCertificates,
    private readonly certificates: CertificateRepository,
    private readonly access: CertificateAccess,
  ) {}

  /**
   * The command to sign the certificate of the authority with this serial number again. The new one takes the place and
   * the links of one that has not been superseded. Throws Problem `not-found`, `forbidden` without the right to change
   * it, and `wrong-state` when it is revoked or on hold, when no CSR of it is stored, or when its key is kept here.
   */
  async command(asking: Asking, serial: string, { notAfter }: ResignBody): Promise<IssueCommand> {
    const { actor, authority, defaults, idempotencyKey } = asking;
    const found = await this.issued.find(authority.id, serialHexIn(serial) ?? '');
    if (found === null) throw new Problem('not-found', `There is no certificate ${serial}.`);
    const old = await this.certificates.get(this.db.single, found.id);
    await this.access.demandChange(this.db.single, actor, old);
    // The key of such a certificate may be compromised.
    if (old.state === 'revoked') throw alreadyRevoked;
    if (found.heldAt !== null) throw new Problem('wrong-state', 'The certificate is on hold: release it first.');
    const csr = await csrOf(old);
    const request: IssueRequest = {
      owner: old.owner,
      authority: { id: authority.id },
      validityEnd: notAfter ?? undefined,
      profile: old.profileId === null ? undefined : { id: old.profileId },
      replaces: [{ id: old.id }],
    };
    const { description, labels, notify, rotation, rotationPolicyId } = old;
    return {
      // What is taken along is not in the request, so that a repeated one stays the same when it has changed meanwhile.
      ...commandForCsr(actor, request, csr, defaults, idempotencyKey),
      ...{ description, labels, notify, rotation, links: { rotationPolicy: { id: rotationPolicyId } } },
      ...(old.state === 'issued' && {
        heirOf: { old, links: await this.certificates.linksOf(this.db.single, old.id) },
      }),
    };
  }
}

/** The CSR of a certificate, with the content that it was issued with. Throws Problem `wrong-state`. */
async function csrOf(old: Certificate): ReturnType<typeof readCsr> {
  // The new certificate would stand at the destinations of this one without the key.
  if (old.sealedKey !== null)
    throw new Problem(
      'wrong-state',
      'The key of this certificate is kept here: renew it with POST /certificates/{id}/rotate.',
    );
  if (old.csrPem === null) throw new Problem('wrong-state', 'Cannot resign certificate without a CSR.');
  const { subject, subjectDer = encodeSubject(subject), ...terms } = loadTerms(old.terms);
  return withContent(await readCsr(old.csrPem), { subjectDer, ...terms });
}
