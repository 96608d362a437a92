import { Controller, Get } from '@nestjs/common';
import type { AuditEvent } from '../../audit/audit-event.entity.js';
import { AuditRepository } from '../../audit/audit.repository.js';
import { Database } from '../../platform/db/database.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, QueryOf, Summary } from '../../platform/http/contract.js';
import { CertificateRepository } from '../certificate.repository.js';
import { readLine } from '../certificate.row.js';
import { DeliverySight, type Stand } from '../deploy/delivery-sight.js';
import { eventView, HistoryQuery, HistoryView, lineView } from './history.schema.js';

/** The route that shows the audit events of a certificate, with its predecessors and successors. */
@Controller('certificates')
export class HistoryController {
  constructor(
    private readonly db: Database,
    private readonly events: AuditRepository,
    private readonly certificates: CertificateRepository,
    private readonly sight: DeliverySight,
  ) {}

  @Get(':id/history')
  @Requires('certificate:read')
  @Summary(
    'Read the history of a certificate',
    'All audit events of the certificate, newest first, and its predecessors and successors.',
  )
  @Answers(200, HistoryView)
  async history(
    @Who() actor: Actor,
    @Id() id: number,
    @QueryOf(HistoryQuery) query: HistoryQuery,
  ): Promise<HistoryView> {
    const { items, ...more } = await this.db.read(async (tx) => {
      await this.certificates.get(tx, id);
      const [line, { items, next }] = [
        await readLine(tx, id),
        await this.events.ofTarget(tx, 'certificate', id, query),
      ];
      return { line: line.map(lineView), items, ...(next !== undefined && { next }) };
    });
    const stands = items.flatMap((event) => standOf(id, event) ?? []);
    const isSeen = await this.sight.of(actor, stands);
    const hides = (event: AuditEvent): boolean => {
      const stand = standOf(id, event);
      return stand !== null && !isSeen(stand);
    };
    return { ...more, items: items.map((event) => eventView(hides(event) ? withoutPlace(event) : event)) };
  }
}

/** The delivery that the event is about; null if it is not an event of a delivery. */
function standOf(certificateId: number, { action, after }: AuditEvent): Stand | null {
  const destinationId = after?.['destinationId'];
  return action.startsWith('delivery.') && typeof destinationId === 'number' ? { certificateId, destinationId } : null;
}

/** The event without the location, which the actor may not see. */
function withoutPlace(event: AuditEvent): AuditEvent {
  return { ...event, after: { ...event.after, location: null, detail: undefined } };
}
