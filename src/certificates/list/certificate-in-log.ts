import { Injectable } from '@nestjs/common';
import { LogFilters } from '../../audit/log-filters.js';
import { LogSubjects } from '../../audit/log-subjects.js';
import { invalid } from '../../platform/http/problem.js';
import { idsByName, readLinked } from '../certificate.row.js';
import { certificateLabel } from '../certificate.view.js';

/** So many certificates can a filter of the log mean. */
const mostMeant = 1000;

/** Lets entries of the audit log show the certificate that was acted on, and be filtered by its name. */
@Injectable()
export class CertificateInLog {
  constructor(filters: LogFilters, subjects: LogSubjects) {
    filters.define('certificate.name', async (tx, name) => {
      const targetIds = await idsByName(tx, name, mostMeant + 1);
      if (targetIds.length > mostMeant)
        throw invalid('filter', `More than ${mostMeant} certificates have names that hold this: write more of it.`);
      return { targetType: 'certificate', targetIds };
    });
    subjects.define('certificate', async (tx, ids) => {
      const rows = await readLinked(tx, ids);
      return new Map(rows.map((row) => [row.id, certificateLabel(row)]));
    });
  }
}
