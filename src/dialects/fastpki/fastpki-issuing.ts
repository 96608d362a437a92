import { Injectable } from '@nestjs/common';
import { ExportService } from '../../certificates/export/export.service.js';
import { commandForCsr, commandForSubject, type IssueCommand } from '../../certificates/issue/issue-command.js';
import { IssueService } from '../../certificates/issue/issue.service.js';
import type { CertificateRow } from '../../certificates/certificate.row.js';
import { CertificateReader } from '../../certificates/list/certificate-reader.js';
import { Config } from '../../platform/config.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { lacking, mayReadKey } from '../../roles/permission.js';
import { certificateAsked, csrAsked } from './asked-certificate.js';
import { Cas } from './cas.js';
import type { CertificateCreate, SignCsr } from './certificate.schema.js';

/** Issues certificates for requests of FastPKI. */
@Injectable()
export class FastpkiIssuing {
  constructor(
    private readonly config: Config,
    private readonly cas: Cas,
    private readonly issue: IssueService,
    private readonly reader: CertificateReader,
    private readonly exports: ExportService,
  ) {}

  /**
   * With a key that is made here and kept. `privateKey`: PKCS#8 PEM if asked for; reading it is an audit event. Throws
   * Problem `not-found` for an unknown CA, `forbidden` also when the actor asks for a key that they may not read, and
   * as IssueService.
   */
  async create(
    actor: Actor,
    caId: number,
    body: CertificateCreate,
    idempotencyKey?: string,
  ): Promise<{ row: CertificateRow; privateKey: string | null }> {
    const parties = await this.parties(actor, { caId });
    if (body.includePrivateKey) demandKey(actor, parties.owner);
    const { request, subjectDer } = certificateAsked(body, parties);
    const row = await this.run(commandForSubject(actor, request, subjectDer, this.config, idempotencyKey));
    return { row, privateKey: body.includePrivateKey ? await this.exports.key(actor, row.id) : null };
  }

  /** Throws Problem `not-found` for an unknown CA, and as IssueService. */
  async sign(actor: Actor, body: SignCsr, idempotencyKey?: string): Promise<CertificateRow> {
    const parties = await this.parties(actor, body);
    const { request, csr } = await csrAsked(body, parties);
    return this.run(commandForCsr(actor, request, csr, this.config, idempotencyKey));
  }

  private async parties(actor: Actor, named: Parameters<Cas['idOf']>[1]): Promise<{ owner: string; caId: number }> {
    const caId = await this.cas.idOf(actor, named);
    return { caId, owner: await this.cas.ownerFor(actor, caId) };
  }

  /** Waits a few seconds for an issuer that does not answer at once. Throws Problem when it refuses. */
  private async run(command: IssueCommand): Promise<CertificateRow> {
    const { id, row } = await this.issue.issue(command);
    if (row?.bodyPem != null) return row;
    await this.reader.settled(id);
    const settled = await this.reader.row(id);
    if (settled.state !== 'failed') return settled;
    throw new Problem('plugin-refused', settled.faultDetail ?? `The issuer refused certificate ${settled.name}.`);
  }
}

function demandKey(actor: Actor, owner: string): void {
  if (mayReadKey(actor, { owner })) return;
  throw new Problem(
    'forbidden',
    actor.permissions.has('key:read')
      ? `You could not read the private key: that needs key:read of the role ${owner}. Send a CSR to sign-csr, or ` +
          '"include_private_key": false.'
      : lacking('key:read', actor),
  );
}
