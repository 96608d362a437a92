import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readLine } from '../../src/certificates/certificate.row.js';
import { CertificateRepository } from '../../src/certificates/certificate.repository.js';
import { CurrentRepository } from '../../src/certificates/current/current.repository.js';
import type { Delivery } from '../../src/certificates/deploy/delivery.entity.js';
import { DeliveryRepository } from '../../src/certificates/deploy/delivery.repository.js';
import { CertificateViews } from '../../src/certificates/certificate.view.js';
import { CertificateFinder } from '../../src/certificates/list/certificate-finder.js';
import { CertificateLists } from '../../src/certificates/list/certificate-lists.js';
import { certificateOrders, ListQuery, metrics, ValidQuery } from '../../src/certificates/list/list.schema.js';
import { SelectionBuilder } from '../../src/certificates/list/selection-builder.js';
import { Statistics } from '../../src/certificates/list/statistics.js';
import { Clock } from '../../src/platform/clock.js';
import { Database, type Tx } from '../../src/platform/db/database.js';
import { systemActor } from '../../src/platform/http/actor.js';
import { startProgram, type TestProgram } from '../support/program.js';

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  Plans?: Plan[];
}

const big = new Set([
  'certificate',
  'domain',
  'certificate_domain',
  'certificate_role',
  'certificate_subscription',
  'certificate_replacement',
  'delivery',
]);
const rows = 30_000;

/** A database that keeps the plan of every statement of a search, as it is planned for these values. */
class ExplainingDatabase extends Database {
  plans: Plan[] = [];

  override search<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return super.search((tx) => work(this.explained(tx)));
  }

  /** `tx`, with the plans of its statements kept. */
  explained(tx: Tx): Tx {
    const query = async (sql: string, values?: unknown[]): Promise<unknown> => {
      if (!sql.startsWith('explain')) {
        const [row] = await tx.query<[{ 'QUERY PLAN': [{ Plan: Plan }] }]>(`explain (format json) ${sql}`, values);
        this.plans.push(row['QUERY PLAN'][0].Plan);
      }
      return tx.query(sql, values);
    };
    return new Proxy(tx, { get: (target, key) => (key === 'query' ? query : Reflect.get(target, key)) as unknown });
  }

  /** Every node of every plan since the last time. */
  take(): Plan[] {
    const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];
    return this.plans.splice(0).flatMap(nodes);
  }
}

/** From which index each order is read. */
const ordered: Readonly<Record<string, string>> = {
  id: 'certificate_newest',
  name: 'certificate_name',
  owner: 'certificate_owner',
  cn: 'certificate_common_name',
  commonName: 'certificate_common_name',
  issuer: 'certificate_issuer',
  lifecycle: 'certificate_state',
  notBefore: 'certificate_not_before',
  notAfter: 'certificate_not_after',
  dateCreated: 'certificate_created_at',
};

/** Queries of the list, and an index that each must be answered from. */
const queries: [query: string, index: string][] = [
  ['', 'certificate_newest'],
  ['page=900', 'certificate_newest'],
  ['showExpired=1', 'certificate_newest'],
  ...Object.keys(certificateOrders).flatMap((by) =>
    ['asc', 'desc'].map((dir): [string, string] => [`sortBy=${by}&sortDir=${dir}`, ordered[by] ?? '']),
  ),
  ['owner=team-7@example.com', 'certificate_owner'],
  ['owner=team-7@example.com&showExpired=1', 'certificate_owner'],
  ['filter=owner;team-4', 'certificate_owner'],
  ['filter=issuer;Bench Root 3', 'certificate_issuer'],
  ['filter=issuer;bench', 'certificate_issuer'],
  ['filter=fixedName;payments', 'certificate_name'],
  ['filter=name;"payments"', 'certificate_name'],
  ['filter=cn;"www.x.example.net"', 'domain_name'],
  ['filter=cn;-0000815.', 'domain_search_trigrams'],
  ['filter=name;-0000815.', 'certificate_search_trigrams'],
  ['filter=cn;nowhere', 'domain_search_trigrams'],
  ['filter=cn;ab', 'certificate_domain_domain_id'],
  ['filter=cn;payments', 'certificate_domain_domain_id'],
  ['id=7', 'certificate_newest'],
  ['serial=77', 'certificate_serial_hex'],
  ['filter=fingerprint;ab', 'certificate_sha256'],
  ['filter=externalId;4711', 'certificate_external_id'],
  ['timeRange=4', 'certificate_not_after'],
  ['filter=notAfter;2026-01-01', 'certificate_not_after'],
  ['filter=notBefore;2026-01-01', 'certificate_not_before'],
  ['filter=dateCreated;2026-01-01', 'certificate_created_at'],
  ['destinationId=3', 'delivery_certificates'],
  ['filter=description;nowhere', 'certificate_description'],
  ['filter=label;nowhere', 'certificate_labels'],
  ['lifecycle=failed', 'certificate_state'],
  ['filter=status;revoked', 'certificate_state'],
  ['active=false', 'certificate_state'],
  ['rotation=true', 'certificate_state'],
  ['creator=admin', 'certificate_creator'],
  ['show=1', 'certificate_creator'],
  ['filter=keyType;RSA', 'certificate_kind'],
  ['filter=signingAlgorithm;sha512', 'certificate_kind'],
  ['filter=bits;4096', 'certificate_kind'],
];

describe('the plans of lists', () => {
  let program: TestProgram;
  let db: ExplainingDatabase;
  let lists: CertificateLists;
  const actor = { ...systemActor('plans'), userId: 1 };
  beforeAll(async () => {
    program = await startProgram({ PERENNIAL_ROLE: 'api' });
    await program.ok('POST', '/authorities', { name: 'bench', owner: 'pki@example.com', commonName: 'Bench' });
    const { id } = await program.ok('POST', '/certificates', {
      owner: 'a@example.com',
      commonName: 'a.example.net',
      authority: { name: 'bench' },
      validityDays: 30,
    });
    // A name that the compiler does not follow: the bench has no types.
    const inventory = '../../bench/inventory.mjs';
    const { seedInventory } = (await import(inventory)) as {
      seedInventory: (run: Tx['query'], templateId: number, count: number) => Promise<void>;
    };
    const { source } = program.database;
    await seedInventory((sql: string, values?: unknown[]) => source.query(sql, values), id, rows);
    db = new ExplainingDatabase(source);
    lists = new CertificateLists(
      db,
      new SelectionBuilder(db, new Clock()),
      new CertificateFinder(db),
      program.perennial.app.get(CertificateViews, { strict: false }),
    );
  });
  afterAll(() => program.stop());

  /** Names of the indexes that are read. Throws for a big table that is read row by row. */
  function indexesOf(plans: readonly Plan[]): Set<string> {
    const whole = plans.filter((node) => node['Node Type'] === 'Seq Scan' && big.has(node['Relation Name'] ?? ''));
    expect(whole.map((node) => node['Relation Name'])).toEqual([]);
    return new Set(plans.flatMap((node) => node['Index Name'] ?? []));
  }

  it.each(queries)('reads /certificates?%s from %s', async (query, index) => {
    const page = await lists.list(actor, ListQuery.parse(Object.fromEntries(new URLSearchParams(query))));
    expect(indexesOf(db.take())).toContain(index);
    if (page.next === undefined) return;
    await lists.list(actor, ListQuery.parse({ ...Object.fromEntries(new URLSearchParams(query)), after: page.next }));
    expect(indexesOf(db.take())).toContain(index);
  });

  it('reads the certificates of a notification, valid ones and pending ones from indexes', async () => {
    await lists.list(actor, ListQuery.parse({}), { notificationId: 7 });
    expect(indexesOf(db.take())).toContain('certificate_subscription_subscription_id');
    await lists.list(actor, ListQuery.parse({}), { states: ['requested', 'pending'] });
    expect(indexesOf(db.take())).toContain('certificate_unfinished');
    for (const query of [
      {},
      { filter: 'cn;%.team-7.example.net' },
      { san: 'www.%' },
      { owner: 'team-7@example.com' },
    ]) {
      await lists.valid(ValidQuery.parse({ ...query, count: '200' }));
      indexesOf(db.take());
    }
  });

  it.each(metrics)('counts by %s from an index alone (31: ILM core#789)', async (metric) => {
    await new Statistics(db, new Clock()).of(metric);
    const plans = db.take();
    indexesOf(plans);
    expect(plans.some((node) => node['Node Type'] === 'Index Only Scan')).toBe(true);
  });

  it('reads and locks lines of renewals by their ids', async () => {
    const [certificates, deliveries, current] = [
      new CertificateRepository(),
      new DeliveryRepository(),
      new CurrentRepository(),
    ];
    const [{ ids }] = await program.database.source.query(
      'select array_agg(id) as ids from (select id from certificate order by id limit 64) c',
    );
    const at = { certificateId: ids[9], destinationId: 1, location: '' } as Delivery;
    const now = new Date();
    await db.write(async (one) => {
      const tx = db.explained(one);
      await certificates.lockLines(tx, ids);
      await certificates.replacing(tx, ids[9], ids);
      await readLine(tx, ids[9]);
      await current.find(tx, 'nothing', now);
      await deliveries.isAwaited(tx, ids[9], 1);
      await deliveries.isFollowed(tx, at);
      await deliveries.leaving(tx, ids[9], 1);
      await deliveries.findPredecessorAt(tx, at, { now, reserveMs: 0, needsPrivateKey: false });
    });
    expect(indexesOf(db.take())).toContain('certificate_pkey');
  });

  it('counts destinations from an index (31: ILM core#789)', async () => {
    await new Statistics(db, new Clock()).ofDestinations();
    expect(indexesOf(db.take())).toContain('delivery_certificates');
  });
});
