import { Injectable } from '@nestjs/common';
import { LogFilters } from '../../audit/log-filters.js';
import { LogDetails } from '../../audit/log-details.js';
import { invalid } from '../../platform/http/problem.js';
import { idsByName, readLinked } from '../certificate.row.js';
import { certificateLabel } from '../certificate.view.js';

/** The maximum number of certificates that a filter of the audit log may match. */
const mostMatches = 1000;

/** Shows certificates in entries of the audit log, and filters entries by the name of the certificate. */
@Injectable()
export class CertificateInLog {
  constructor(filters: LogFilters, details: LogDetails) {
    filters.define('certificate.name', async (tx, name) => {
      const targetIds = await idsByName(tx, name, mostMatches + 1);
      if (targetIds.length > mostMatches)
        throw invalid('filter', `More than ${mostMatches} certificate names contain this text. Use a longer one.`);
      return { targetType: 'certificate', targetIds };
    });
    details.define('certificate', async (tx, ids) => {
      const rows = await readLinked(tx, ids);
      return new Map(rows.map((row) => [row.id, certificateLabel(row)]));
    });
  }
}
