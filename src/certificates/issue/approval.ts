import { Injectable } from '@nestjs/common';
import type { LoadedAuthority } from '../../authorities/authorities.js';
import { encodeSubject, sameName } from '../../pki/names.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { invalid } from '../../platform/http/problem.js';
import { PluginError } from '../../plugin-api/errors.js';
import { Admission } from '../admission.js';
import { RelationRights } from '../relation-rights.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import type { Renewal } from '../successors.js';
import type { TermsWithoutDates } from '../terms.js';
import { demandExact } from './csr-terms.js';
import type { IssueCommand } from './issue-command.js';
import { leftOut } from './issuer-extensions.js';
import { KeyRules } from './key-rules.js';
import { boundsOf, renewedValidity, type Validity, ValidityRefused, validityOf } from './validity.js';

/** The decisions about a command: authority, terms, dates and links. Only the key is missing. */
export interface Approved {
  authority: LoadedAuthority;
  terms: TermsWithoutDates;
  validity: Validity;
  relations: RelationsOfNew;
}

/** Decides whether a command may run, and with which terms, dates and links. Writes nothing. */
@Injectable()
export class Approval {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly admission: Admission,
    private readonly keyRules: KeyRules,
    private readonly relations: Relations,
    private readonly rights: RelationRights,
  ) {}

  /**
   * `authority`: the one in the command, which the actor may use. Throws Problem `invalid-request` or `forbidden`. A
   * renewal throws PluginError `misconfigured` when the authority expires too soon.
   */
  of(command: IssueCommand, authority: LoadedAuthority): Promise<Approved> {
    return command.renews ? this.ofRenewal(command, command.renews, authority) : this.ofNew(command, authority);
  }

  private async ofNew(command: IssueCommand, authority: LoadedAuthority): Promise<Approved> {
    const { actor, owner, links } = command;
    const { csr } = command.key;
    demandIssuable(command, authority);
    if (csr) this.keyRules.demandUsable(csr.spkiDer, authority);
    const leaveOut = leftOut(command.issuerExtensions, authority);
    const wanted = leaveOut ? { ...command.terms, leaveOut } : command.terms;
    const terms = await this.admission.ofNew(actor, wanted, authority);
    if (!authority.authority.isCnOptional && !terms.subject.commonName)
      throw invalid(csr ? 'csr' : 'commonName', 'Missing common_name: this authority wants one.');
    const validity = this.validityOf(command, authority);
    const relations = await this.relations.ofNew(
      { ...links, owner },
      authority.authority.owner,
      actor.kept !== undefined,
    );
    await this.rights.demandLinks(actor, owner, relations);
    if (csr) await this.rights.demandKeyless(relations.destinationIds);
    await this.rights.demandKeyScope(actor, relations.destinationIds);
    return { authority, terms, validity, relations };
  }

  /** The successor gets the terms, the validity period and the links of its predecessor. */
  private async ofRenewal(
    { actor }: IssueCommand,
    { old, links }: Renewal,
    authority: LoadedAuthority,
  ): Promise<Approved> {
    const terms = await this.admission.ofRenewal(actor, old, authority);
    try {
      const validity = renewedValidity(old, boundsOf(authority, this.config), this.clock.now());
      return { authority, terms, validity, relations: await this.relations.ofRenewal(old, links) };
    } catch (error) {
      if (error instanceof ValidityRefused) throw new PluginError('misconfigured', error.message);
      throw error;
    }
  }

  private validityOf({ validity }: IssueCommand, authority: LoadedAuthority): Validity {
    try {
      return validityOf(validity, boundsOf(authority, this.config), this.clock.now());
    } catch (error) {
      if (error instanceof ValidityRefused) throw invalid(error.field, error.message);
      throw error;
    }
  }
}

/** Throws Problem `invalid-request` when this authority must not sign this CSR or this subject. */
function demandIssuable({ key: { csr }, terms }: IssueCommand, { plugin, subjectDer }: LoadedAuthority): void {
  if (csr && plugin.answers === 'later') demandExact(csr);
  // A certificate with its issuer's name counts as self-issued (RFC 5280 §3.2), and chains through it fail.
  if (sameName(terms.subjectDer ?? encodeSubject(terms.subject), subjectDer))
    throw invalid(csr ? 'csr' : 'commonName', 'The subject is the name of the authority itself; choose another one.');
}
