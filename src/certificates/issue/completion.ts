import { Injectable } from '@nestjs/common';
import { DomainRepository } from '../../domains/domain.repository.js';
import type { Tx } from '../../platform/db/database.js';
import type { IssuedCertificate } from '../../plugin-api/issuer.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { answerFacts } from '../issued-facts.js';
import { nameWhenIssued, searchNames } from './new-row.js';
import { Twins } from './twins.js';

/** Fills the row of a request with the certificate that the issuer returned: its facts, names and final name. */
@Injectable()
export class Completion {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly domains: DomainRepository,
    private readonly twins: Twins,
  ) {}

  /**
   * The row must be locked; the caller saves it. Searches then find it by the names in the certificate. Throws like
   * `Twins.merge`.
   */
  async complete(tx: Tx, certificate: Certificate, answer: IssuedCertificate): Promise<void> {
    const facts = answerFacts(certificate.terms, answer);
    await this.twins.merge(tx, certificate, facts);
    certificate.complete(facts);
    await this.domains.relink(tx, certificate.id, searchNames(certificate.commonName, certificate.terms));
    const name = nameWhenIssued(certificate);
    if (name !== null) certificate.name = await this.certificates.freeName(tx, name, facts.serialHex);
  }
}
