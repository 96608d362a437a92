import { Injectable } from '@nestjs/common';
import { LogFilters } from '../../audit/log-filters.js';
import { CertificateRepository } from '../certificate.repository.js';

/** Lets the audit log be filtered by the name of the certificate that was acted on. */
@Injectable()
export class CertificateLogFilter {
  constructor(filters: LogFilters, certificates: CertificateRepository) {
    filters.define('certificate.name', async (tx, name) => {
      const id = await certificates.findId(tx, { name });
      return { targetType: 'certificate', targetIds: id === null ? [] : [id] };
    });
  }
}
