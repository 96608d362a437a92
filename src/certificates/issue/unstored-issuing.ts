import { Injectable } from '@nestjs/common';
import { Authorities, demandActive } from '../../authorities/authorities.js';
import { Audit } from '../../audit/audit.js';
import { spkiHash } from '../../pki/key.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { invalid } from '../../platform/http/problem.js';
import { Metrics } from '../../platform/metrics.js';
import type { AnswerFacts } from '../issued-facts.js';
import { StaleFacts } from './certificate-store.js';
import { Issuing, type Ready } from './issuing.js';
import { KeyRules } from './key-rules.js';
import { askedColumns } from './new-row.js';
import { type UnstoredView, unstoredView } from './unstored.view.js';
import { datesOf } from './validity.js';

/** Signs certificates that are not stored: an audit event and a counter are all that is kept of each. */
@Injectable()
export class UnstoredIssuing {
  private readonly signed;

  constructor(
    private readonly db: Database,
    private readonly authorities: Authorities,
    private readonly keyRules: KeyRules,
    private readonly issuing: Issuing,
    private readonly audit: Audit,
    metrics: Metrics,
  ) {
    this.signed = metrics.counter({
      name: 'unstored_certificates_total',
      help: 'Certificates that were signed and not stored, by authority.',
      labels: ['authority'],
    });
  }

  /**
   * The audit event is committed before the certificate is handed out. Throws Problem `authority-inactive`,
   * `invalid-request` when the CA is elsewhere or the key must not be certified for the owner; StaleFacts; and
   * PluginError when the issuer refuses.
   */
  async run(ready: Ready): Promise<UnstoredView> {
    const { authority: loaded } = ready.approved;
    const { authority, plugin } = loaded;
    demandActive(authority);
    if (plugin.answers === 'later')
      throw invalid('profile', 'A CA that is elsewhere does not sign certificates that are not stored here.');
    const { facts, warnings } = await this.issuing.sign(ready, askedColumns(ready.approved.terms));
    await this.db.write((tx) => this.record(tx, ready, facts, warnings));
    this.signed.inc({ authority: authority.name });
    return unstoredView(facts, ready.approved);
  }

  /** An authority that was changed or disabled before this is committed has signed nothing that is handed out. */
  private async record(tx: Tx, ready: Ready, facts: AnswerFacts, warnings?: readonly string[]): Promise<void> {
    const { command, approved, key } = ready;
    const { authority } = approved.authority;
    if (!(await this.authorities.isCurrent(tx, approved.authority))) throw new StaleFacts();
    const { profile } = approved;
    await this.keyRules.claim(tx, [{ spkiSha256: spkiHash(key.spkiDer), owner: command.owner }]);
    const { serialHex, sha256, distinguishedName, terms } = facts;
    await this.audit.record(tx, command.actor, {
      action: 'certificate.signed-unstored',
      targetType: 'authority',
      targetId: authority.id,
      after: {
        owner: command.owner,
        ...{ serialHex, fingerprint: sha256, distinguishedName, names: terms.subjectAltNames, ...datesOf(facts) },
        ...(profile && { profile: profile.name, profileVersion: profile.version }),
        ...(warnings && { lintWarnings: warnings }),
      },
    });
  }
}
