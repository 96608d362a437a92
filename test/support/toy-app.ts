import { Body, Controller, Delete, Get, HttpException, Module, Post, Res } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { Database } from '../../src/platform/db/database.js';
import { Answers, Id, JsonBody, PathText, QueryOf, Summary } from '../../src/platform/http/contract.js';
import { HttpModule } from '../../src/platform/http/http.module.js';
import { PageQuery, pageOf } from '../../src/platform/http/page.js';
import { Problem } from '../../src/platform/http/problem.js';
import { queryBoolean } from '../../src/platform/http/query.js';
import { platformSurfaces } from '../../src/platform/http/platform-surfaces.js';
import { applyHttp, createFastifyAdapter, type ServerSettings } from '../../src/platform/http/server.js';
import type { Surface } from '../../src/platform/http/surface.js';
import { Surfaces } from '../../src/platform/http/surfaces.js';
import { createLog, FrameworkLog, Log } from '../../src/platform/log.js';

const Wheel = z.strictObject({ diameterMm: z.int().min(1), spare: z.boolean().default(false) }).meta({ id: 'Wheel' });
const Toy = z
  .strictObject({ id: z.int(), name: z.string(), wheels: z.array(Wheel) })
  .meta({ id: 'Toy', description: 'Something to play with.' });
const ToyRequest = z
  .strictObject({
    name: z.string().min(1),
    email: z.email().optional(),
    madeAt: z.iso.datetime().optional(),
    wheels: z.array(Wheel).default([]),
    plugin: z.strictObject({ slug: z.string(), options: z.record(z.string(), z.unknown()) }).optional(),
    colour: z.enum(['red', 'blue']).optional(),
  })
  .meta({ id: 'ToyRequest' });
const ToyQuery = PageQuery.extend({
  broken: queryBoolean().optional().meta({ description: 'Only those that are broken.' }),
});

const hidden = 'hunter2 in the stack';

const failures: Record<string, () => unknown> = {
  bug: () => new Error(hidden),
  text: () => hidden,
  nothing: () => undefined,
  problem: () => new Problem('wrong-state', 'It is broken.'),
  busy: () => new Problem('too-many-requests', 'Slowly.', { retryAfterS: 1.2 }),
  misconfigured: () => new PluginError('misconfigured', 'No such bucket.'),
  refused: () => new PluginError('refused', 'The CA says no.'),
  unavailable: () => new PluginError('unavailable', 'The CA is busy.', 17),
  framework: () => new HttpException(hidden, 403),
  unauthenticated: () => new Problem('unauthenticated', 'No token.'),
  teapot: () => new HttpException(hidden, 418),
  gateway: () => new HttpException(hidden, 502),
};

/** One toy of every kind that the conventions of the API speak of. */
@Controller('toys')
class ToysController {
  @Get()
  @Summary('Lists toys')
  @Answers(200, pageOf(Toy))
  list(@QueryOf(ToyQuery) query: z.output<typeof ToyQuery>): unknown {
    return { items: [], total: 0, query };
  }

  @Post()
  @Summary('Makes a toy')
  @Answers(200, Toy, { description: 'The toy.' })
  @Answers(202, null, { description: 'It is being made.' })
  make(@JsonBody(ToyRequest) toy: z.output<typeof ToyRequest>): unknown {
    return { id: 1, ...toy };
  }

  @Get(':id')
  @Answers(200, Toy)
  read(@Id() id: number): z.output<typeof Toy> {
    // An id that high is how many characters the name shall have.
    return { id, name: id > 1_000_000 && id < 100_000_000 ? 'x'.repeat(id) : 'car', wheels: [] };
  }

  @Delete(':id')
  @Answers(204, null)
  remove(
    @Id() _id: number,
    @JsonBody(z.strictObject({ note: z.string() }).optional()) _note?: { note: string },
  ): void {}

  @Get('named/:name')
  @Answers(200, null, { types: ['text/plain'] })
  named(@PathText('name') name: string): string {
    return name;
  }

  @Post('raw')
  raw(@Body() body: unknown): unknown {
    return { kind: typeof body };
  }

  @Get('fail/:how')
  fail(@PathText('how') how: string): void {
    throw failures[how]?.();
  }

  @Get('half/sent')
  async half(@Res() reply: FastifyReply): Promise<void> {
    reply.raw.writeHead(200, { 'content-length': '100' });
    await new Promise((resolve) => reply.raw.write('half', resolve));
    throw new Error(hidden);
  }
}

/** A running toy with what it logged (parsed lines). */
export interface ToyApp {
  app: NestFastifyApplication;
  lines: Record<string, unknown>[];
}

/** An answer of this surface is plain text. It takes 100 bytes of `application/toy`, and nobody needs to sign in. */
export const toySurface: Surface = {
  prefix: '/toybox',
  parsers: { 'application/toy': (body) => ({ toy: body.toString('hex') }) },
  maxBodyBytes: 100,
  authenticator: null,
  renderError: ({ code, detail }) => ({
    status: 418,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: `${code}: ${detail}`,
  }),
  headers: { 'cache-control': 'max-age=60' },
  audience: 'clients',
  logLevel: 'debug',
};

@Controller('toybox')
class ToyboxController {
  @Post()
  open(@Body() body: unknown): unknown {
    return body;
  }

  @Get('fail/:how')
  fail(@PathText('how') how: string): void {
    throw failures[how]?.();
  }
}

/** How a toy application differs from the usual. `query` stands in for the database. */
export interface ToyOptions {
  query?: () => Promise<unknown>;
  settings?: Partial<ServerSettings>;
}

/** An application of two controllers and a surface of its own, set up as the program is. */
export async function startToy({ query = async () => [], settings = {} }: ToyOptions = {}): Promise<ToyApp> {
  const lines: Record<string, unknown>[] = [];
  const log = createLog('debug', { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  const surfaces = new Surfaces([...platformSurfaces, toySurface]);

  const platform = [
    { provide: Log, useValue: log },
    { provide: Database, useValue: { single: { query } } },
  ];
  @Module({
    imports: [
      { module: PlatformModule, global: true, providers: platform, exports: platform },
      HttpModule.serving(surfaces),
    ],
    controllers: [ToysController, ToyboxController],
  })
  class ToyModule {}

  const usual: ServerSettings = { publicUrl: 'https://pki.example.org', trustedProxies: [], role: 'all' };
  const adapter = createFastifyAdapter({ ...usual, ...settings }, surfaces);
  const app = await NestFactory.create<NestFastifyApplication>(ToyModule, adapter, {
    logger: new FrameworkLog(log),
    abortOnError: false,
  });
  applyHttp(app, { ...usual, ...settings });
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  return { app, lines };
}

class PlatformModule {}
