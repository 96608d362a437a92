import { MassImportRepository } from '../certificates/import/mass-import.repository.js';
import type { Run } from './run.js';

const association = {
  table: 'certificate_replacement_associations',
  of: 'certificate_id',
  to: 'replaced_certificate_id',
};

/**
 * Links replacements after all certificates exist: the newer one may be imported first. Existing links are left alone.
 * What Successors does to predecessors is left out: each row was imported with what Lemur says of it (silenced,
 * rotating, revoked), and lines that Successors refuses, such as two certificates that replace each other, are taken as
 * they are.
 */
export async function linkReplacements(run: Run): Promise<void> {
  const { lemur } = run.parts;
  for await (const rows of lemur.batches<{ id: number }>({ name: 'certificates', required: ['id'], optional: [] })) {
    const links = await lemur.linked(
      association,
      rows.map(({ id }) => id),
    );
    if (links.size === 0) continue;
    await run.step(async ({ tx, report }) => {
      const pairs = [...links].flatMap(([newer, older]) => older.map((one) => ({ newer, older: one })));
      report.count(association.table, 'rows', pairs.length);
      const known = await run.legacy.known(tx, 'replacement', [...links.keys()]);
      const ids = await run.legacy.ids(tx, 'certificate', [
        ...new Set(pairs.flatMap(({ newer, older }) => [newer, older])),
      ]);
      const fresh = pairs.filter(
        ({ newer, older }) =>
          known.get(newer)?.digest !== String(links.get(newer)) &&
          ids.has(newer) &&
          ids.has(older) &&
          ids.get(newer) !== ids.get(older),
      );
      await new MassImportRepository().addReplacements(
        tx,
        fresh.map(({ newer, older }) => ({ id: ids.get(newer) ?? 0, replacedId: ids.get(older) ?? 0 })),
      );
      report.count(association.table, 'imported', fresh.length);
      report.count(
        association.table,
        'unchanged',
        pairs.filter(({ newer }) => known.get(newer)?.digest === String(links.get(newer))).length,
      );
      const settled = [...links].filter(([newer, older]) => ids.has(newer) && older.every((one) => ids.has(one)));
      await run.legacy.remember(
        tx,
        'replacement',
        settled.map(([newer, older]) => ({ legacyId: newer, id: ids.get(newer) ?? null, digest: String(older) })),
      );
    });
  }
}
