import { Injectable } from '@nestjs/common';
import { Metrics } from '../../platform/metrics.js';

/** What was answered: a status for each certificate, or one error for the request. */
export type OcspResult = 'good' | 'revoked' | 'unknown' | 'unauthorized' | 'malformed' | 'try-later';

/** Counts OCSP answers. */
@Injectable()
export class OcspMetrics {
  private readonly results;
  private readonly preSigned;

  constructor(metrics: Metrics) {
    this.results = metrics.counter({
      name: 'ocsp_results_total',
      help: 'Certificates whose status was answered by OCSP, and requests answered with an error, by result.',
      labels: ['result'],
    });
    this.preSigned = metrics.counter({
      name: 'ocsp_presigned_responses_total',
      help: 'OCSP responses that had been signed before they were asked for.',
    });
  }

  answered(results: readonly OcspResult[], isPreSigned: boolean): void {
    for (const result of results) this.results.inc({ result });
    if (isPreSigned) this.preSigned.inc();
  }
}
