import { Injectable } from '@nestjs/common';
import { LogFilters } from '../../audit/log-filters.js';
import { LogSubjects } from '../../audit/log-subjects.js';
import { CertificateRepository } from '../certificate.repository.js';
import { readLinked } from '../certificate.row.js';
import { certificateLabel } from '../certificate.view.js';

/** Lets entries of the audit log show the certificate that was acted on, and be filtered by its name. */
@Injectable()
export class CertificateInLog {
  constructor(filters: LogFilters, subjects: LogSubjects, certificates: CertificateRepository) {
    filters.define('certificate.name', async (tx, name) => {
      const id = await certificates.findId(tx, { name });
      return { targetType: 'certificate', targetIds: id === null ? [] : [id] };
    });
    subjects.define('certificate', async (tx, ids) => {
      const rows = await readLinked(tx, ids);
      return new Map(rows.map((row) => [row.id, certificateLabel(row)]));
    });
  }
}
