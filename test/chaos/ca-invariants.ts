import type { CaRecord } from './ca.child.js';
import { counted, type Finding, linesOf, repeated, wrong } from './finding.js';
import type { Stage } from './stage.js';

/**
 * Compares what the CA elsewhere has issued with what is known here. For each request, and for each key, there is one
 * certificate; what the CA issued is stored, in dispute, or revoked. What is not as it was asked for is not in use.
 */
export async function orders({ database, ca }: Stage): Promise<Finding[]> {
  const records = await ca.call<CaRecord[]>('orders');
  const revoked = new Set(await ca.call<string[]>('revoked'));
  const stored = await serials(database, 'select serial_hex as serial from certificate where serial_hex is not null');
  const kept = await serials(
    database,
    `select disputed_serial_hex as serial from certificate_order where disputed_serial_hex is not null
     union select serial_hex from withdrawal where serial_hex is not null`,
  );
  const withdrawn = await serials(
    database,
    `select w.serial_hex as serial from withdrawal w join authority a on a.id = w.authority_id
     where w.kind = 'revoke' and w.state = 'done' and a.name <> 'local'`,
  );
  const issued = records
    .filter(({ serialHex }) => serialHex !== null)
    .map((one) => ({ ...one, serial: one.serialHex ?? '' }));
  return [
    counted('orders at the CA', records.length),
    counted('revocations at the CA', revoked.size),
    counted('lies of the CA', issued.filter(({ isLie }) => isLie).length),
    wrong('lies of the CA that are in use', linesOf(issued.filter(({ isLie, serial }) => isLie && stored.has(serial)))),
    wrong(
      'revocations that the CA does not know',
      [...withdrawn].filter((serial) => !revoked.has(serial)),
    ),
    wrong(
      'certificates of the CA that are not known here',
      linesOf(issued.filter(({ serial }) => !stored.has(serial) && !kept.has(serial))),
    ),
    wrong('requests with two orders at the CA', repeated(records.map((one) => one.idempotencyKey))),
    wrong('keys for which the CA made two certificates', repeated(issued.map((one) => one.keyHash))),
  ];
}

async function serials(database: Stage['database'], text: string): Promise<Set<string>> {
  const rows = await database.query<{ serial: string }>(text);
  return new Set(rows.map(({ serial }) => serial));
}
