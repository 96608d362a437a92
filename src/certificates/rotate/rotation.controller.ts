import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../../platform/http/contract.js';
import { Idempotent } from '../../platform/http/idempotent.js';
import type { Page } from '../../platform/http/page.js';
import { LimitsRequest, LimitsView } from '../../rotation/limit.schema.js';
import { PauseChange, PausePage, PauseQuery, PauseRequest, PauseView } from '../../rotation/pause.schema.js';
import { Calendar } from './calendar.js';
import { CalendarQuery, CalendarView } from './calendar.schema.js';
import { RotationLimits } from './rotation-limits.js';
import { RotationPauses } from './rotation-pauses.js';

/** Routes about the renewals of all certificates: their calendar, pauses, and limits per hour. */
@Controller('rotation')
export class RotationController {
  constructor(
    private readonly pauses: RotationPauses,
    private readonly limits: RotationLimits,
    private readonly calendar: Calendar,
  ) {}

  @Get('calendar')
  @Requires('certificate:read')
  @Summary(
    'How many renewals are planned for each day',
    'And how many certificates end without one; by authority, with the days on which many fall together.',
  )
  @Answers(200, CalendarView)
  readCalendar(@QueryOf(CalendarQuery) query: CalendarQuery): Promise<CalendarView> {
    return this.calendar.of(query);
  }

  @Get('limits')
  @Requires('policy:read')
  @Summary('The most renewals that begin in an hour')
  @Answers(200, LimitsView)
  readLimits(): Promise<LimitsView> {
    return this.limits.get();
  }

  @Put('limits')
  @Requires('policy:write')
  @Summary(
    'Limit how many renewals begin in an hour',
    'What exceeds a limit waits, in the order of expiry. What is about to expire does not wait.',
  )
  @Answers(200, LimitsView)
  replaceLimits(@Who() actor: Actor, @JsonBody(LimitsRequest) body: LimitsRequest): Promise<LimitsView> {
    return this.limits.replace(actor, body);
  }

  @Get('pauses')
  @Requires('policy:read')
  @Summary('List pauses of renewals')
  @Answers(200, PausePage)
  list(@QueryOf(PauseQuery) query: PauseQuery): Promise<Page<PauseView>> {
    return this.pauses.list(query);
  }

  @Get('pauses/:id')
  @Requires('policy:read')
  @Summary('One pause of renewals')
  @Answers(200, PauseView)
  get(@Id() id: number): Promise<PauseView> {
    return this.pauses.get(id);
  }

  @Post('pauses')
  @Idempotent()
  @Requires('certificate:update')
  @Summary(
    'Pause renewals',
    'All, or those of an authority, of what a source finds, or of one certificate. Notices of expiry go on, and a ' +
      'renewal that somebody asks for is not held. Those who may change a certificate may pause it; the rest needs ' +
      '`policy:write`.',
  )
  @Answers(200, PauseView)
  add(@Who() actor: Actor, @JsonBody(PauseRequest) body: PauseRequest): Promise<PauseView> {
    return this.pauses.add(actor, body);
  }

  @Put('pauses/:id')
  @Requires('certificate:update')
  @Summary('Change the reason or the end of a pause')
  @Answers(200, PauseView)
  change(@Who() actor: Actor, @Id() id: number, @JsonBody(PauseChange) body: PauseChange): Promise<PauseView> {
    return this.pauses.change(actor, id, body);
  }

  @Delete('pauses/:id')
  @Requires('certificate:update')
  @Summary(
    'End a pause',
    'What it held renews in as much time as the pause lasted, a day at most. The pause stays in the list.',
  )
  @Answers(204, null)
  async end(@Who() actor: Actor, @Id() id: number): Promise<void> {
    await this.pauses.end(actor, id);
  }
}
