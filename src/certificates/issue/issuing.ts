import { Injectable } from '@nestjs/common';
import { Authorities, demandActive } from '../../authorities/authorities.js';
import { nextNoticeAt } from '../../notifications/lead-time.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { Gathered } from '../../platform/gathered.js';
import { extensionsByProfile } from '../../profiles/judge.js';
import { noSuccession, planRenewal } from '../../rotation/due.js';
import type { NewRow } from '../certificate.repository.js';
import type { CertificateRow } from '../certificate.row.js';
import type { Wanted } from '../deploy/delivery.repository.js';
import { Deploying } from '../deploy/deploying.js';
import type { AnswerFacts } from '../issued-facts.js';
import { Relations } from '../relations.js';
import { Successors } from '../successors.js';
import type { StoredTerms, TermsWithoutDates } from '../terms.js';
import type { Approved } from './approval.js';
import { CertificateStore, type Storable, type Stored } from './certificate-store.js';
import type { IssueCommand } from './issue-command.js';
import { enqueueOrders } from './enqueue-orders.js';
import { type AskedColumns, baseName, type CertificateKey, provisionalName, rowBeforeIssue } from './new-row.js';
import { OrderRepository } from './order.repository.js';
import { predecessorAt } from './ordering.js';
import { rowAsStored } from './row-as-stored.js';
import { signedFacts } from './signed-answer.js';
import { datesOf } from './validity.js';

/** The result of a command: the id of its certificate, and the row when it is known without a query. */
export interface Issued {
  id: number;
  row?: CertificateRow;
}

/** A command that has been approved, with its key. */
export interface Ready {
  command: IssueCommand;
  approved: Approved;
  key: CertificateKey & { csrPem: string };
}

/** A command whose certificate is signed, or is to be ordered, with its row. */
interface ToStore {
  ready: Ready;
  storable: Storable;
}

/** After this time the sweep enqueues a request again whose job was lost. */
const safetyNetMs = 15 * 60_000;
const atOnceTimeoutMs = 30_000;
/** For authorities without `orderDeadlineDays`. */
const defaultOrderDeadlineDays = 14;
const dayMs = 86_400_000;
/** The most shared transactions at the same time. */
const mostAtOnce = 2;

/**
 * Turns an approved command into a certificate. An issuer that answers at once signs first, and the certificate is
 * stored with all its consequences in one transaction. For any other issuer the request is stored first, and a job
 * places the order.
 */
@Injectable()
export class Issuing {
  private readonly together = new Gathered<ToStore, Stored>((many) => this.storeMany(many), mostAtOnce);

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly authorities: Authorities,
    private readonly relations: Relations,
    private readonly certificates: CertificateStore,
    private readonly orders: OrderRepository,
    private readonly deploying: Deploying,
    private readonly successors: Successors,
  ) {}

  /**
   * Throws Problem `authority-inactive`; PluginError when an issuer that answers at once refuses; StalePredecessor for
   * a renewal; and StaleFacts, after which the caller loads the facts again and retries.
   */
  async run(command: IssueCommand, approved: Approved, key: Ready['key']): Promise<Issued> {
    demandActive(approved.authority.authority);
    const ready = { command, approved, key };
    const { row, warnings } =
      approved.authority.plugin.answers === 'at-once' ? await this.signed(ready) : { row: this.requested(ready) };
    const stored = await this.store({ ready, storable: this.storable(row, ready, warnings) });
    return { id: stored.id, row: rowAsStored(row, stored, command.actor, approved) };
  }

  /**
   * Has an issuer that answers at once sign. Gives the facts of the certificate, which has been checked against
   * `columns`, and the rules that its lint warns of. Throws PluginError when the issuer refuses.
   */
  async sign(
    { command, approved, key }: Ready,
    columns: AskedColumns,
  ): Promise<{ facts: AnswerFacts; warnings?: readonly string[] }> {
    const { authority, terms, validity } = approved;
    const renews = command.renews && predecessorAt(authority.authority.id, command.renews.old);
    const outcome = await this.authorities.order(
      authority,
      {
        request: {
          csrPem: key.csrPem,
          spkiDer: key.spkiDer,
          terms: { notBefore: validity.notBefore, notAfter: validity.notAfter, ...termsToSign(approved) },
          idempotencyKey: key.secretId,
          ...(renews && { renews }),
        },
      },
      AbortSignal.timeout(atOnceTimeoutMs),
    );
    if (outcome.status === 'failed') throw outcome.error;
    if (outcome.status === 'pending') throw new Error('An issuer that answers at once must not answer "pending".');
    const facts = await signedFacts(columns, { authority, spkiDer: key.spkiDer, terms, validity }, outcome);
    return { facts, warnings: outcome.warnings };
  }

  /** The row of a certificate that its issuer signs now, with the rules that its lint warns of. */
  private async signed(ready: Ready): Promise<{ row: NewRow; warnings?: readonly string[] }> {
    const columns = this.columns(ready);
    const { facts, warnings } = await this.sign(ready, columns);
    const { command, approved } = ready;
    const { spkiSha256, rotation } = columns;
    const { authority, relations } = approved;
    const { at, obstacle, reason } = planRenewal(
      { state: 'issued', hasIssuer: true, rotation, spkiSha256, ...datesOf(facts), ...noSuccession },
      relations.policy,
    );
    const row: NewRow = {
      state: 'issued',
      name: nameOf(command, { authority, terms: facts.terms, validity: facts }),
      ...columns,
      ...facts,
      nextRenewalAt: at,
      renewalReason: obstacle ?? reason,
      nextNoticeAt: command.notify ? nextNoticeAt(facts, relations.leadsS) : null,
    };
    return { row, warnings };
  }

  /** The row of a request for which a job asks the issuer. */
  private requested({ command, approved, key }: Ready): NewRow {
    const name = nameOf(command, approved);
    return {
      state: 'requested',
      issuer: '<pending>',
      nextAttemptAt: new Date(this.clock.now().getTime() + safetyNetMs),
      name: command.name ? name : provisionalName(name, key.secretId),
      ...this.columns({ command, approved, key }),
      ...datesOf(approved.validity),
    };
  }

  private columns({ command, approved: { authority, profile, terms, relations }, key }: Ready) {
    const { owner, description, labels, creatorId, vouchingRole, notify, rotation, mark, renews } = command;
    const care = { owner, description, labels, creatorId, vouchingRole, notify, rotation };
    return {
      profileId: profile?.id ?? null,
      profileVersion: profile?.version ?? null,
      hearsDefaults: relations.hearsDefaults,
      renewsId: renews?.old.id ?? null,
      requestKey: mark?.key ?? null,
      requestSha256: mark?.sha256 ?? null,
      createdAt: this.clock.now(),
      ...rowBeforeIssue(
        { authorityId: authority.authority.id, rotationPolicyId: relations.policy.id, ...care },
        key,
        terms,
      ),
    };
  }

  private storable(row: NewRow, { command, approved }: Ready, warnings?: readonly string[]): Storable {
    const { authority, profile, held, relations } = approved;
    const { listedRoleIds, issuerRoleId, replacesIds, subscriptionIds, missing } = relations;
    const { actor, owner, renews } = command;
    const factsVersions = [actor.kept?.version, relations.version, profile?.factsVersion].filter(
      (version) => version !== undefined,
    );
    const made = {
      ...(profile && { profile: profile.name, profileVersion: profile.version }),
      ...(held && { held }),
      ...(warnings && { lintWarnings: warnings }),
    };
    const after = renews
      ? { owner, renews: renews.old.id, ...(renews.why !== undefined && { why: renews.why }), ...made }
      : {
          owner,
          authorityId: authority.authority.id,
          ...made,
          names: row.terms.subjectAltNames,
          ...datesOf(row),
        };
    return {
      row,
      actor,
      links: {
        listedRoleIds,
        issuerRoleId,
        replacesIds,
        subscriptionIds,
        authorityVersion: authority.authority.version,
        factsVersions,
      },
      heard: row.state === 'issued' && relations.issueHeard,
      claimsKey: command.key.csr !== undefined,
      act: { action: row.state === 'issued' ? 'certificate.issued' : 'certificate.requested', after },
      complete:
        missing.roles.length + missing.notifications.length > 0
          ? (tx) => this.relations.complete(tx, relations)
          : undefined,
    };
  }

  /**
   * What has consequences is stored with them in one transaction, which concurrent requests share: unless its own
   * transaction creates roles, or has work joined to it.
   */
  private async store(one: ToStore): Promise<Stored> {
    const { destinationIds, replacesIds } = one.ready.approved.relations;
    if (isIssued(one) && destinationIds.length === 0 && replacesIds.length === 0)
      return this.certificates.store(one.storable);
    if (one.storable.complete || this.db.isJoining) return (await this.storeMany([one]))[0] as Stored;
    return this.together.run(one);
  }

  /** Stores certificates, with their orders, deliveries and predecessors. */
  private storeMany(many: readonly ToStore[]): Promise<Stored[]> {
    return this.db.write(async (tx) => {
      const stored = await this.certificates.insert(
        tx,
        many.map(({ storable }) => storable),
        true,
      );
      const all = many.map((one, i) => ({ ...one, id: (stored[i] as Stored).id }));
      const [issued, requested] = [all.filter(isIssued), all.filter((one) => !isIssued(one))];
      await this.placeOrders(tx, requested);
      // Before the deliveries: a predecessor without a destination that is deleted meanwhile is a stale one.
      const olds = await this.successors.requested(
        tx,
        all.flatMap(({ id, ready: { command } }) => (command.renews ? [{ ...command.renews, successorId: id }] : [])),
      );
      await this.deploying.planMany(tx, requested.flatMap(wantedOf), false);
      await this.deploying.planMany(tx, issued.flatMap(wantedOf), true);
      await this.successors.issued(
        tx,
        issued.map(({ id, ready: { command } }) => ({ id, renewsId: command.renews?.old.id ?? null })),
        olds,
      );
      return stored;
    });
  }

  private async placeOrders(tx: Tx, requested: readonly (ToStore & { id: number })[]): Promise<void> {
    const orders = requested.map(({ id, ready }) => ({ id, authority: ready.approved.authority.authority }));
    const now = this.clock.now().getTime();
    await this.orders.add(
      tx,
      orders.map(({ id, authority: { orderDeadlineDays } }) => ({
        certificateId: id,
        deadlineAt: new Date(now + (orderDeadlineDays ?? defaultOrderDeadlineDays) * dayMs),
      })),
    );
    await enqueueOrders(
      tx,
      orders.map(({ id, authority }) => ({ id, authorityId: authority.id })),
    );
  }
}

function isIssued({ storable }: ToStore): boolean {
  return storable.row.state === 'issued';
}

function wantedOf({ id, ready: { approved } }: ToStore & { id: number }): Wanted[] {
  return approved.relations.destinationIds.map((destinationId) => ({ certificateId: id, destinationId }));
}

/** The terms, with what the profile has the issuer write besides. */
function termsToSign({ profile, terms }: Approved): TermsWithoutDates {
  const written = profile && extensionsByProfile(profile.rules, terms.leaveOut);
  if (!written || written.extensions.length + written.leaveOut.length === 0) return terms;
  return { ...terms, extensions: [...terms.extensions, ...written.extensions], leaveOut: written.leaveOut };
}

/** The name of a new certificate, not yet made unique. */
export function nameOf(
  { name }: Pick<IssueCommand, 'name'>,
  {
    terms,
    validity,
    authority: { authority },
  }: Pick<Approved, 'validity' | 'authority'> & { terms: Pick<StoredTerms, 'subject' | 'subjectAltNames'> },
): string {
  return baseName(name, {
    terms,
    issuer: { commonName: authority.commonName, selfSigned: false },
    ...datesOf(validity),
  });
}
