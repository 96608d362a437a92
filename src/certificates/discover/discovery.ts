import { Injectable } from '@nestjs/common';
import { systemActor } from '../../platform/http/actor.js';
import type { Tx } from '../../platform/db/database.js';
import type { SyncTrouble } from '../../sources/source-sync.entity.js';
import { storable } from '../../platform/text.js';
import type { Source } from '../../sources/source.entity.js';
import { ImportedRows } from '../import/imported-rows.js';
import { CertificateStore, type Storable } from '../issue/certificate-store.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import { DiscoveredRepository, type KnownIssued } from './discovered.repository.js';
import { AuthoritySource } from './authority.source.js';
import type { Finding } from './findings.js';
import { LoggedFindings, withoutPrecertificates } from './logged-findings.js';

/** The relations of the certificates to import, by owner. They are read before the transaction. */
export type OwnerRelations = ReadonlyMap<string, RelationsOfNew>;

/** `idOf`: the id of each certificate by its fingerprint. `troubles`: findings that could not be stored. */
export interface Matched {
  idOf: ReadonlyMap<string, number>;
  importedIds: number[];
  troubles: SyncTrouble[];
}

/**
 * Matches the findings of a source with stored certificates, by fingerprint and never by name, and imports the rest.
 */
@Injectable()
export class Discovery {
  constructor(
    private readonly authoritySource: AuthoritySource,
    private readonly certificates: DiscoveredRepository,
    private readonly newOnes: CertificateStore,
    private readonly rows: ImportedRows,
    private readonly relations: Relations,
    private readonly logged: LoggedFindings,
  ) {}

  /** Notes which findings an authority has issued, and gives the relations that new certificates of the owners get. */
  async prepare(source: Source, findings: readonly Finding[]): Promise<OwnerRelations> {
    await this.authoritySource.mark(source, findings);
    const owners = [...new Set(findings.map(({ owner }) => owner))];
    return new Map(
      await Promise.all(owners.map(async (owner) => [owner, await this.relations.find({ owner })] as const)),
    );
  }

  /**
   * Finds or imports the certificate of each finding. An advisory lock makes concurrent syncs wait for each other, so
   * that a certificate is imported once.
   */
  async match(tx: Tx, source: Source, findings: readonly Finding[], owners: OwnerRelations): Promise<Matched> {
    if (findings.length === 0) return { idOf: new Map(), importedIds: [], troubles: [] };
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('certificate.discovery', 0))`);
    const known = await this.certificates.findIssued(
      tx,
      findings.map(({ facts }) => facts),
    );
    const idOf = new Map(known.map(({ sha256, id }) => [sha256, id]));
    const expected = await this.logged.match(tx, findings, idOf);
    const { kept, importedAs } = withoutPrecertificates(unknown(expected, idOf));
    const { accepted, troubles } = refuseUsedSerials(kept, known);
    const imported = await this.import(tx, source, accepted, owners);
    for (const [sha256, id] of imported) idOf.set(sha256, id);
    importedAs(idOf);
    await this.logged.tell(
      tx,
      accepted.flatMap(({ logged, facts }) => (logged ? (idOf.get(facts.sha256) ?? []) : [])),
    );
    await this.certificates.fillExternalIds(
      tx,
      findings.flatMap(({ externalId, facts }) => {
        const id = idOf.get(facts.sha256);
        return id === undefined || externalId === null ? [] : [{ id, externalId }];
      }),
    );
    return { idOf, importedIds: imported.map(([, id]) => id), troubles };
  }

  private async import(
    tx: Tx,
    source: Source,
    findings: readonly Finding[],
    owners: OwnerRelations,
  ): Promise<[sha256: string, id: number][]> {
    const linksOf = new Map<string, { relations: RelationsOfNew; links: Storable['links'] }>();
    for (const owner of [...new Set(findings.map((finding) => finding.owner))].sort()) {
      const relations = owners.get(owner);
      if (!relations) throw new Error(`The relations of the owner ${owner} were not read.`);
      const { issuerRoleId } = await this.relations.complete(tx, relations);
      const { listedRoleIds, subscriptionIds } = relations;
      linksOf.set(owner, { relations, links: { listedRoleIds, issuerRoleId, subscriptionIds, replacesIds: [] } });
    }
    const storables = findings.flatMap((finding) => {
      const given = linksOf.get(finding.owner);
      return given ? [this.storable(source, finding, given)] : [];
    });
    const stored = await this.newOnes.insert(tx, storables);
    return findings.map(({ facts }, i) => [facts.sha256, (stored[i] as { id: number }).id]);
  }

  private storable(
    source: Source,
    { uploaded, owner, location, externalId, issuedBy, logged }: Finding,
    { relations, links }: { relations: RelationsOfNew; links: Storable['links'] },
  ): Storable {
    const care = {
      owner,
      description: storable(
        `This certificate was automatically discovered by Perennial: ${source.label}, ${location}`,
        1024,
      ),
      labels: [],
      creatorId: source.creatorId,
      authorityId: issuedBy?.authorityId ?? null,
      notify: !logged,
      rotation: false,
      rotationPolicyId: relations.policy.id,
      vouchingRole: null,
    };
    // An authority can use only the id that its own CA gave the certificate.
    const identity = issuedBy ? { issuerPem: issuedBy.issuerPem, externalId: externalId ?? undefined } : {};
    const row = this.rows.make(uploaded, care, relations, identity);
    const after = {
      owner,
      serial: row.serialHex,
      sourceId: source.id,
      location: storable(location, 1024),
      withKey: uploaded.privateKey !== null,
    };
    const action = logged ? 'certificate.unexpected' : 'certificate.discovered';
    return { row, links, actor: systemActor(''), act: { action, after } };
  }
}

/** One finding for each certificate that is not stored: the first with a private key, otherwise the first. */
function unknown(findings: readonly Finding[], idOf: ReadonlyMap<string, number>): Finding[] {
  const fresh = new Map<string, Finding>();
  for (const finding of findings) {
    const { sha256 } = finding.facts;
    const before = fresh.get(sha256);
    if (!idOf.has(sha256) && (!before || (!before.uploaded.privateKey && finding.uploaded.privateKey)))
      fresh.set(sha256, finding);
  }
  return [...fresh.values()];
}

/**
 * Accepts the first certificate of each issuer and serial number. A revocation names only these two, so that a second
 * certificate with the same serial number could not be revoked alone.
 */
function refuseUsedSerials(
  fresh: readonly Finding[],
  known: readonly KnownIssued[],
): { accepted: Finding[]; troubles: SyncTrouble[] } {
  const holders = new Map(known.map(({ issuerSha256, serialHex, name }) => [`${issuerSha256} ${serialHex}`, name]));
  const accepted: Finding[] = [];
  const troubles: SyncTrouble[] = [];
  for (const finding of fresh) {
    const { issuerSha256, serialHex } = finding.facts;
    const holder = holders.get(`${issuerSha256} ${serialHex}`);
    if (holder === undefined) accepted.push(finding);
    else
      troubles.push({
        location: finding.location,
        detail: `Another certificate of the same issuer already has the serial number ${serialHex}: ${holder}.`,
      });
    holders.set(`${issuerSha256} ${serialHex}`, holder ?? `the certificate at ${finding.location}`);
  }
  return { accepted, troubles };
}
