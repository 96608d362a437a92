import { Injectable } from '@nestjs/common';
import { DomainRepository } from '../../domains/domain.repository.js';
import type { Tx } from '../../platform/db/database.js';
import type { IssuedCertificate } from '../../plugin-api/issuer.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { answerFacts } from '../issued-facts.js';
import { nameWhenIssued, searchNames } from './new-row.js';
import { Twins } from './twins.js';

/** Turns the row of a request into that of its certificate. */
@Injectable()
export class Completion {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly domains: DomainRepository,
    private readonly twins: Twins,
  ) {}

  /**
   * The row, which is locked, gets what the certificate says; searches find it by the names in the certificate. Saves
   * nothing of the row. Throws as Twins.
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
