import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { parseCertificate, type ParsedCertificate } from '../../pki/certificate.js';
import { orderChain } from '../../pki/chain.js';
import { splitCertificates } from '../../pki/pem.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { RevocationCheck, type RevocationFacts } from '../../revocation/verify/revocation-check.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Notices } from '../notify/notices.js';
import { crlReasons } from '../revoke/revoke.schema.js';
import { RevokeConsequences } from '../revoke/revoke.service.js';
import { RevocationCheckRepository } from './revocation-check.repository.js';
import { checkedStatus } from './verify.view.js';
import { VerifyService } from './verify.service.js';

/** Records revocations that were found at a CA. */
@Injectable()
export class RevocationRecord {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly consequences: RevokeConsequences,
    private readonly notices: Notices,
    private readonly audit: Audit,
  ) {}

  /** The certificate counts as revoked here too: its owner is told, and where it is deployed it is replaced. */
  async revokedAtCa(tx: Tx, actor: Actor, id: number, facts: RevocationFacts & { status: 'revoked' }): Promise<void> {
    const { state } = await this.certificates.get(tx, id);
    if (state !== 'issued' && state !== 'superseded') return;
    const crlReason =
      facts.reason && facts.reason in crlReasons ? (facts.reason as keyof typeof crlReasons) : 'unspecified';
    const comments = `Found revoked at its CA since ${facts.revokedAt.toISOString()}`;
    const revoked = await this.consequences.revoke(tx, id, {
      reason: crlReasons[crlReason],
      comments,
      at: facts.revokedAt,
    });
    await this.notices.revoked(tx, revoked);
    await this.audit.record(tx, actor, {
      action: 'certificate.revoked',
      targetType: 'certificate',
      targetId: id,
      after: { crlReason, comments, replaced: revoked.toReplace },
    });
  }
}

const hourMs = 3_600_000;
/** After a check that brought no answer. */
const retryMs = 6 * hourMs;

/** Stores what the CA of a stored certificate says of its revocation, and what follows from it. */
@Injectable()
export class RevocationChecking {
  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly checks: RevocationCheckRepository,
    private readonly check: RevocationCheck,
    private readonly verification: VerifyService,
    private readonly record: RevocationRecord,
  ) {}

  /** Asks and stores. A certificate without a known issuer is `unknown`. */
  async run(actor: Actor, id: number): Promise<void> {
    const certificate = await this.certificates.find(this.db.single, id);
    if (!certificate?.bodyPem || !(await this.isDue(certificate))) return this.checks.stop(this.db.single, id);
    await this.store(actor, id, await this.askAbout(certificate));
  }

  /** Whether the certificate itself is revoked; its issuers are not looked at. */
  async askAbout({ bodyPem, chainPem }: Pick<Certificate, 'bodyPem' | 'chainPem'>): Promise<RevocationFacts> {
    const leaf = parseCertificate(bodyPem ?? '');
    const own = await this.verification.known(leaf);
    if (own) return own;
    const issuer = await issuerIn(leaf, chainPem);
    return issuer ? this.check.status({ certificate: leaf, issuer }) : withoutIssuer;
  }

  /** Stores a result, and revokes the certificate here when its CA has. */
  async store(actor: Actor, id: number, facts: RevocationFacts): Promise<void> {
    await this.db.write(async (tx) => {
      const at = this.clock.now();
      const isFinal = facts.status === 'revoked' && facts.reason !== 'certificateHold';
      const everyMs = this.config.revocationCheckHours * hourMs;
      const waitMs = facts.status === 'unknown' ? Math.min(retryMs, everyMs) : everyMs;
      const nextAt = isFinal || everyMs === 0 ? null : new Date(at.getTime() + waitMs);
      await this.checks.store(tx, id, {
        status: checkedStatus(facts),
        why: facts.why,
        source: facts.source,
        at,
        nextAt,
      });
      if (isFinal && facts.source !== 'authority') await this.record.revokedAtCa(tx, actor, id, facts);
    });
  }

  private async isDue({ id, state, notAfter, deletedAt }: Certificate): Promise<boolean> {
    const isInForce = (state === 'issued' || state === 'superseded') && notAfter > this.clock.now();
    return isInForce && deletedAt === null && (await this.checks.isDeployed(this.db.single, id));
  }
}

const withoutIssuer: RevocationFacts = {
  status: 'unknown',
  why: 'The certificate of its issuer is not known here',
  source: 'none',
};

/** The certificate in the chain that has signed the leaf. */
async function issuerIn(leaf: ParsedCertificate, chainPem: string | null): Promise<ParsedCertificate | undefined> {
  const chain = chainPem ? splitCertificates(chainPem).map((pem) => parseCertificate(pem)) : [];
  const [issuer] = await orderChain(leaf, chain);
  return issuer;
}
