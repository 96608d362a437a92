import { Injectable } from '@nestjs/common';
import { Authorities, type LoadedAuthority } from '../../authorities/authorities.js';
import { Database, violatedConstraint } from '../../platform/db/database.js';
import { KeptFacts } from '../../platform/db/kept-facts.js';
import { Problem } from '../../platform/http/problem.js';
import { wordsOf } from '../../platform/http/reference.js';
import { PluginError } from '../../plugin-api/errors.js';
import { mayIssueFrom } from '../../roles/permission.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Approval } from './approval.js';
import { CertificateKeys } from './certificate-keys.js';
import { StaleFacts } from './certificate-store.js';
import { commandBy, type IssueCommand } from './issue-command.js';
import { type Issued, Issuing } from './issuing.js';
import { UnstoredIssuing } from './unstored-issuing.js';
import type { UnstoredView } from './unstored.view.js';

/** Runs a command to issue a certificate: checks rights, approves it, makes the key, signs or orders, and stores. */
@Injectable()
export class IssueService {
  constructor(
    private readonly db: Database,
    private readonly authorities: Authorities,
    private readonly approval: Approval,
    private readonly keys: CertificateKeys,
    private readonly issuing: Issuing,
    private readonly unstored: UnstoredIssuing,
    private readonly certificates: CertificateRepository,
    private readonly facts: KeptFacts,
  ) {}

  /**
   * A command with the mark of an earlier one returns the earlier certificate. Throws like Approval and
   * `Successors.requested`; Problem `forbidden` when the actor may not use the authority, `conflict` when another
   * request had the same mark; PluginError when the issuer refuses.
   */
  async issue(command: IssueCommand): Promise<Issued> {
    let current = command;
    for (let keptAttempts = 2; ; keptAttempts--) {
      try {
        return await this.issueOnce(current);
      } catch (error) {
        const { kept } = current.actor;
        if (!kept || (!(error instanceof StaleFacts) && !isRefusal(error))) throw error;
        // The refusal may be due to kept facts that are outdated.
        const hasChanged = await this.facts.renew(kept.version);
        if (!hasChanged && isRefusal(error)) throw error;
        current = commandBy(await kept.again(keptAttempts > 0), current);
      }
    }
  }

  /**
   * As `issue`, for a command whose certificate is not stored. Throws Problem `invalid-request` when the CA is
   * elsewhere.
   */
  signUnstored(command: IssueCommand): Promise<UnstoredView> {
    return this.from(command, async (authority) => {
      const approved = await this.approval.of(command, authority);
      return this.unstored.run({ command, approved, key: await this.keys.of(command, approved.terms) });
    });
  }

  private async issueOnce(command: IssueCommand): Promise<Issued> {
    const earlier = await this.earlier(command);
    if (earlier) return earlier;
    return this.from(command, async (authority) => {
      try {
        return await this.issueFrom(authority, command);
      } catch (error) {
        const first = violatedConstraint(error) === 'certificate_request' ? await this.earlier(command) : null;
        if (first) return first;
        throw error;
      }
    });
  }

  /** Does the work at the authority of the command, and again when what was known of the authority is outdated. */
  private async from<T>(command: IssueCommand, work: (authority: LoadedAuthority) => Promise<T>): Promise<T> {
    const authority = await this.authorized(command);
    try {
      return await work(authority);
    } catch (error) {
      if (!(error instanceof StaleFacts) && !isRefusal(error)) throw error;
      const fresh = await this.authorities.get(authority.authority.id);
      // A refusal may be due to limits that the authority has had in this process until now.
      if (error instanceof StaleFacts ? command.actor.kept : fresh === authority) throw error;
      return work(await this.authorized(command));
    }
  }

  private async issueFrom(authority: LoadedAuthority, command: IssueCommand): Promise<Issued> {
    const approved = await this.approval.of(command, authority);
    return this.issuing.run(command, approved, await this.keys.of(command, approved.terms));
  }

  /** The certificate of an earlier request with the same mark. Throws Problem `conflict` when that request differs. */
  private async earlier({ mark, actor }: IssueCommand): Promise<Issued | null> {
    const first = mark && (await this.certificates.findByRequestKey(this.db.single, actor.userId, mark.key));
    if (first && first.requestSha256 !== mark.sha256)
      throw new Problem('conflict', 'This Idempotency-Key came with another request before.');
    if (first && actor.kept && (await this.facts.renew(actor.kept.version))) throw new StaleFacts();
    return first ? { id: first.id } : null;
  }

  /**
   * The authority, when the actor may use it. A renewal may always use the authority that issued the predecessor.
   * Rights and `active` may be newer than the cache, so the authority is read again before a refusal.
   */
  private async authorized({ actor, authority: wanted, renews }: IssueCommand): Promise<LoadedAuthority> {
    const kept = await this.authorities.resolve(wanted);
    if (renews) return this.authorities.get(kept.authority.id);
    if (kept.authority.active && mayIssueFrom(actor, ownedOf(kept))) return kept;
    const fresh = await this.authorities.get(kept.authority.id);
    if (mayIssueFrom(actor, ownedOf(fresh))) return fresh;
    throw new Problem('forbidden', `You are not allowed to use authority ${wordsOf(wanted)}.`);
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Problem || error instanceof PluginError;
}

function ownedOf({ authority, roles }: LoadedAuthority): { owner: string; roleIds: number[] } {
  return { owner: authority.owner, roleIds: roles.map((role) => role.id) };
}
