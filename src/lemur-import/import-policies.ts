import { defaultPolicyName, type RotationPolicy } from '../rotation/policy.entity.js';
import { PolicyRepository } from '../rotation/policy.repository.js';
import { policyValues } from '../rotation/policy.schema.js';
import { policies } from './lemur-rows.js';
import { freeLabel, type Run, type Taken } from './run.js';

const table = policies.name;
const defaultDays = 30;

/**
 * Imports rotation policies. A policy with the same name and days is merged; one with the same name and other days is
 * renamed after its days.
 */
export async function importPolicies(run: Run): Promise<void> {
  const rows = await run.parts.lemur.all(policies);
  const repository = run.parts.get(PolicyRepository);
  await run.step(async (step) => {
    const { tx, report } = step;
    const known = await run.legacy.known(tx, 'policy');
    const standing = new Map((await repository.all(tx)).map((policy) => [policy.name.toLowerCase(), policy]));
    const names = new Set(standing.keys());
    const taken: Taken[] = [];
    report.count(table, 'rows', rows.length);
    for (const row of rows) {
      const days = Math.min(Math.max(row.days ?? defaultDays, 0), 3650);
      const name = (row.name?.trim() || defaultPolicyName).slice(0, 100);
      if (known.has(row.id)) {
        report.count(table, 'unchanged');
        continue;
      }
      const same = [standing.get(name.toLowerCase()), standing.get(`${name}-${days}-days`.toLowerCase())].find(
        (policy) => policy !== undefined && isFor(policy, days),
      );
      report.count(table, same ? 'merged' : 'imported');
      const here =
        same ??
        (await add(
          names.has(name.toLowerCase()) ? freeLabel(`${name}-${days}-days`, names) : freeLabel(name, names),
          days,
        ));
      if (here.name !== row.name)
        report.note({
          kind: 'changed',
          table,
          id: row.id,
          name,
          text: `Another policy has this name; it was renamed to ${here.name}.`,
        });
      standing.set(here.name.toLowerCase(), here);
      taken.push({ legacyId: row.id, id: here.id, name: here.name });
    }
    await run.remember(step, 'policy', taken);

    async function add(label: string, days: number): Promise<RotationPolicy> {
      const id = await repository.add(tx, policyValues({ name: label, days }));
      return repository.get(tx, id ?? 0);
    }
  });
}

function isFor({ days, lifetimeFraction }: RotationPolicy, wanted: number): boolean {
  return days === wanted && lifetimeFraction === null;
}
