import { Controller, Get, Header } from '@nestjs/common';
import { z } from 'zod';
import { Public } from '../http/actor.js';
import { Answers, Summary } from '../http/contract.js';
import { Problem, type Reasons } from '../http/problem.js';
import { Readiness } from './readiness.js';

const Alive = z.strictObject({ status: z.literal('ok') }).meta({ id: 'Alive' });
const Ready = z
  .strictObject({
    status: z.literal('ok'),
    checks: z.array(z.string()).meta({ description: 'The parts that were checked; all of them work.' }),
    warnings: z.array(z.string()).meta({ description: 'What needs a person, although traffic can be served.' }),
  })
  .meta({ id: 'Ready' });

/** Two probes: should the process be restarted (live), and should it get traffic (ready)? */
@Controller('health')
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Public()
  @Get('live')
  @Summary('Is the process alive?')
  @Answers(200, Alive)
  live(): z.output<typeof Alive> {
    return { status: 'ok' };
  }

  @Public()
  @Get('ready')
  @Summary('Can it do its work now?')
  @Answers(200, Ready)
  async ready(): Promise<z.output<typeof Ready>> {
    const checks = await working(this.readiness);
    return { status: 'ok', checks, warnings: await this.readiness.lookForWarnings() };
  }
}

/** The path that load balancers and probes configured for Lemur use. */
@Controller('healthcheck')
export class HealthcheckController {
  constructor(private readonly readiness: Readiness) {}

  @Public()
  @Get()
  @Header('content-type', 'text/plain; charset=utf-8')
  @Summary('Can it do its work now?', 'The same as /health/ready in a word: `ok`, or 503.')
  @Answers(200, null, { types: ['text/plain'] })
  async check(): Promise<string> {
    await working(this.readiness);
    return 'ok';
  }
}

/** The parts that were checked. Throws Problem `unavailable` when one of them fails. */
async function working(readiness: Readiness): Promise<string[]> {
  const answers = Object.entries(await readiness.look());
  const failed = answers.filter((answer): answer is [string, string] => answer[1] !== null);
  if (failed.length > 0) throw notReady(failed);
  return answers.map(([name]) => name);
}

function notReady(failed: [string, string][]): Problem {
  const reasons: Reasons = Object.fromEntries(failed.map(([name, text]) => [name, [text]]));
  return new Problem('unavailable', `Not ready: ${failed.map(([name]) => name).join(', ')}.`, { reasons });
}
