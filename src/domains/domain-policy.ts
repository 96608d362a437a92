import { Injectable } from '@nestjs/common';
import { type ClaimedName, claimedNames, type NameCarrier, urisWithoutHost } from '../pki/claimed-names.js';
import { EXTENDED_KEY_USAGES } from '../pki/extensions.js';
import { firstMatch, parseSubjectPattern, type SubjectPattern } from '../pki/subject-pattern.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { isAdmin, mayUseAnyDomain, mayUseSensitiveNames } from '../roles/permission.js';
import { DomainRuleRepository } from './domain-rule.repository.js';
import { type IssuerInLine, RuleBook } from './rule-book.js';

/** The requester of names: the roles that count. */
export type Claimant = Pick<Actor, 'userId' | 'roles'>;

/** `extendedKeyUsage` holds dotted OIDs; empty means every usage. */
type NewNames = NameCarrier & { extendedKeyUsage: readonly string[] };

/** How long this process uses its cached policy before it checks for changes by other processes. */
const freshMs = 1000;

/**
 * Decides who may issue for which names. The rules are cached, so that a request costs no query. A change takes effect
 * at once in its own process and within a second in every other.
 */
@Injectable()
export class DomainPolicy {
  private book: RuleBook | null = null;
  private checkedAt = -Infinity;
  private reading: Promise<RuleBook> | null = null;
  private readonly reservedSubjects: readonly SubjectPattern[];
  /** Counts changes by this process: a policy that was read before a change is not cached after it. */
  private changes = 0;

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly repository: DomainRuleRepository,
  ) {
    this.reservedSubjects = config.reservedSubjects.map(parseSubjectPattern);
  }

  /**
   * Demands that the claimant may have every name certified by this issuer. Returns true when that took a right beyond
   * the policy. Throws Problem `forbidden` with the refused name and the reason.
   */
  async demand(claimant: Claimant, carrier: NameCarrier, issuer: IssuerInLine): Promise<boolean> {
    const book = await this.current();
    const names = claimedNames(carrier);
    const sensitive = book.firstSensitive(names);
    if (sensitive && !mayUseSensitiveNames(claimant, this.config.sensitiveDomainRoles)) {
      throw refusal(sensitive, 'has been marked as sensitive. Contact an administrator to issue the certificate.');
    }
    const notAllowed = book.firstNotAllowed(names, issuer);
    const notGranted = book.firstNotGranted(
      names,
      issuer,
      claimant.roles.map(({ id }) => id),
    );
    if (!mayUseAnyDomain(claimant)) {
      if (notAllowed) throw refusal(notAllowed, 'does not match allowed domain patterns');
      if (notGranted)
        throw refusal(
          notGranted,
          'is not open to your roles at this authority. Contact an administrator for a domain rule that grants it.',
        );
    }
    return (sensitive ?? notAllowed ?? notGranted) !== null;
  }

  /**
   * Demands for new certificates, beside `demand`: every URI has a host that the rules can judge, and no reserved
   * subject authenticates clients. URIs at a private authority without rules are not checked. Returns true when that
   * took a right beyond the policy. Throws Problem `forbidden`.
   */
  async demandOfNew(claimant: Claimant, terms: NewNames, issuer: IssuerInLine): Promise<boolean> {
    const isReserved = this.demandSubject(claimant, terms);
    return (await this.demandHosts(claimant, terms, issuer)) || isReserved;
  }

  private demandSubject(claimant: Claimant, terms: NewNames): boolean {
    const usages = terms.extendedKeyUsage;
    if (usages.length > 0 && !usages.includes(EXTENDED_KEY_USAGES['clientAuth'] ?? '')) return false;
    const pattern = firstMatch(this.reservedSubjects, terms);
    if (pattern && !isAdmin(claimant))
      throw new Problem(
        'forbidden',
        `Only an administrator may request a client certificate with the subject ${pattern.text} ` +
          '(RESERVED_SUBJECTS).',
      );
    return pattern !== null;
  }

  private async demandHosts(claimant: Claimant, carrier: NameCarrier, issuer: IssuerInLine): Promise<boolean> {
    const [uri] = urisWithoutHost(carrier);
    if (uri === undefined || !(await this.current()).judges(issuer)) return false;
    if (mayUseAnyDomain(claimant)) return true;
    throw new Problem(
      'forbidden',
      `The URI ${uri.slice(0, 200)} names no host that domain rules can match. Contact an administrator to ` +
        'issue the certificate.',
    );
  }

  /** Call after a change in this process: the next request reads the policy again. */
  forget(): void {
    this.changes += 1;
    this.checkedAt = -Infinity;
    this.reading = null;
  }

  private async current(): Promise<RuleBook> {
    if (this.book && Math.abs(this.clock.now().getTime() - this.checkedAt) < freshMs) return this.book;
    return (this.reading ??= this.read());
  }

  private async read(): Promise<RuleBook> {
    const { book: known, changes } = this;
    const at = this.clock.now().getTime();
    try {
      const isCurrent = known !== null && (await this.repository.version(this.db.single)) === known.version;
      const book = isCurrent
        ? known
        : new RuleBook(await this.repository.policy(this.db.single), this.config.allowedDomains);
      if (changes === this.changes) Object.assign(this, { book, checkedAt: at });
      return book;
    } finally {
      if (changes === this.changes) this.reading = null;
    }
  }
}

function refusal({ text }: ClaimedName, why: string): Problem {
  return new Problem('forbidden', `Domain ${text} ${why}`);
}
