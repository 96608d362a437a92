import { Injectable } from '@nestjs/common';
import { type FindOptionsWhere, In } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import { camelCase } from '../platform/http/input.js';
import type { Filter } from '../platform/http/page.js';
import { invalid } from '../platform/http/problem.js';
import type { AuditEvent } from './audit-event.entity.js';

/** The events that a filter value selects: by actor or by target. An empty list selects none. */
export type Selected = { actorUserIds: readonly number[] } | { targetType: string; targetIds: readonly number[] };

type Lookup = (tx: Tx, value: string) => Promise<Selected>;

const columns: Readonly<Record<string, keyof AuditEvent>> = {
  logType: 'action',
  targetType: 'targetType',
  targetId: 'targetId',
  username: 'actorName',
  address: 'address',
  requestId: 'requestId',
};

/** The five event types of Lemur's log with the actions here that they cover. */
const lemurTypes: Readonly<Record<string, readonly string[]>> = {
  create_cert: ['certificate.issued', 'certificate.imported', 'certificate.discovered'],
  update_cert: ['certificate.updated'],
  revoke_cert: ['certificate.revoked'],
  delete_cert: ['certificate.deleted'],
  key_view: ['key.viewed', 'key.exported'],
};

/** Filter fields of the log: its own columns, and fields that other modules define (`user.email`). */
@Injectable()
export class LogFilters {
  private readonly lookups = new Map<string, Lookup>();

  /** Adds a field, e.g. `certificate.name`. Call once per field, at startup. */
  define(field: string, lookup: Lookup): void {
    if (Object.hasOwn(columns, field) || this.lookups.has(field))
      throw new Error(`The log filter ${field} is already defined.`);
    this.lookups.set(field, lookup);
  }

  /** The condition of a filter. Throws `invalid-request` for an unknown field. */
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
    if (!lookup)
      throw invalid('filter', `Must be one of ${[...Object.keys(columns), ...this.lookups.keys()].join(', ')}`);
    const selected = await lookup(tx, value);
    return 'actorUserIds' in selected
      ? { actorUserId: In(selected.actorUserIds) }
      : { targetType: selected.targetType, targetId: In(selected.targetIds.map(String)) };
  }
}
