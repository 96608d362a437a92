import { Injectable } from '@nestjs/common';
import { type FindOptionsWhere, In } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import { camelCase } from '../platform/http/input.js';
import type { Filter } from '../platform/http/page.js';
import { invalid } from '../platform/http/problem.js';
import type { AuditEvent } from './audit-event.entity.js';

/** Which events a value means: by who acted, or by what was acted on. An empty list of ids means none. */
export type Meant = { actorUserIds: readonly number[] } | { targetType: string; targetIds: readonly number[] };

type Lookup = (tx: Tx, value: string) => Promise<Meant>;

const columns: Readonly<Record<string, keyof AuditEvent>> = {
  logType: 'action',
  targetType: 'targetType',
  targetId: 'targetId',
  username: 'actorName',
  address: 'address',
  requestId: 'requestId',
};

/** The five kinds of entries that Lemur's log has, by the actions that they stand for here. */
const lemurTypes: Readonly<Record<string, readonly string[]>> = {
  create_cert: ['certificate.issued', 'certificate.imported', 'certificate.discovered'],
  update_cert: ['certificate.updated'],
  revoke_cert: ['certificate.revoked'],
  delete_cert: ['certificate.deleted'],
  key_view: ['key.viewed', 'key.exported'],
};

/** What the log can be filtered by: its own columns, and names of things whose owners know them (`user.email`). */
@Injectable()
export class LogFilters {
  private readonly lookups = new Map<string, Lookup>();

  /** Adds a field such as `certificate.name`. Called while the program starts, once for each field. */
  define(field: string, lookup: Lookup): void {
    if (Object.hasOwn(columns, field) || this.lookups.has(field))
      throw new Error(`The log has the filter ${field} already.`);
    this.lookups.set(field, lookup);
  }

  /** The condition that a filter means. Throws `invalid-request` for a field that the log does not have. */
  async condition(tx: Tx, { field: given, value }: Filter): Promise<FindOptionsWhere<AuditEvent>> {
    const field = camelCase(given);
    const column = Object.hasOwn(columns, field) ? columns[field] : undefined;
    if (column)
      return {
        [column]: In(
          column === 'action' && Object.hasOwn(lemurTypes, value) ? [...(lemurTypes[value] ?? [])] : [value],
        ),
      };
    const lookup = this.lookups.get(field);
    if (!lookup) throw invalid('filter', `Can be ${[...Object.keys(columns), ...this.lookups.keys()].join(', ')}`);
    const meant = await lookup(tx, value);
    return 'actorUserIds' in meant
      ? { actorUserId: In(meant.actorUserIds) }
      : { targetType: meant.targetType, targetId: In(meant.targetIds.map(String)) };
  }
}
