import { DomainPolicy } from '../domains/domain-policy.js';
import { DomainRepository } from '../domains/domain.repository.js';
import { DomainRuleRepository } from '../domains/domain-rule.repository.js';
import { Audit } from '../audit/audit.js';
import type { Run } from './run.js';

const table = 'domains';

/**
 * Marks names as sensitive that are sensitive in any row of Lemur. Here they also cover names below them. Other names
 * are added with their certificates.
 */
export async function importSensitiveDomains(run: Run): Promise<void> {
  const { lemur, get, actor } = run.parts;
  const names = await lemur.sensitiveDomains();
  const rows = await lemur.count(table);
  const distinct = await lemur.countDistinctDomains();
  await run.step(async ({ tx, report }) => {
    report.count(table, 'rows', rows);
    report.count(table, 'merged', rows - distinct);
    const marked = names.length === 0 ? [] : await get(DomainRepository).markSensitive(tx, names);
    report.count(table, 'imported', marked.length);
    report.count(table, 'unchanged', names.length - marked.length);
    if (marked.length === 0) return;
    await get(DomainRuleRepository).raiseVersion(tx);
    await get(Audit).recordMany(
      tx,
      marked.map(({ id, name }) => ({
        actor,
        act: { action: 'domain.imported', targetType: 'domain', targetId: id, after: { name, sensitive: true } },
      })),
    );
  });
  get(DomainPolicy).forget();
}
