import { createHash } from 'node:crypto';
import { Controller, Get, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { namesTag } from '../../revocation/public-file.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, PathText, Summary } from '../../platform/http/contract.js';
import { instant, InstantOut } from '../../platform/http/instant.js';
import { type Page, pageOf } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import { CertificateReader } from '../list/certificate-reader.js';
import { CertificateView } from '../certificate.schema.js';
import { CurrentRepository } from './current.repository.js';

/** RFC 8555 §9.1. */
const pem = 'application/pem-certificate-chain';

const FetchView = z.object({ apiKeyId: z.int(), fetchedAt: InstantOut }).meta({ id: 'CertificateFetch' });
type FetchView = z.output<typeof FetchView>;

/** The handle that leads to the newest valid certificate of a line, and who used it. Never has the private key. */
@Controller('certificates')
export class CurrentController {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly reader: CertificateReader,
    private readonly repository: CurrentRepository,
  ) {}

  @Get('current/:name')
  @Requires('certificate:read')
  @Summary(
    'Read the newest certificate of a line',
    'The newest certificate that is issued and valid among all predecessors and successors of the named one. With ' +
      `\`Accept: ${pem}\` it is the full chain as PEM. \`If-None-Match\` answers 304 until it changes.`,
  )
  @Answers(200, CertificateView, { types: [pem] })
  async current(
    @Who() { apiKey }: Actor,
    @PathText('name') name: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CertificateView | string | undefined> {
    const [tx, now] = [this.db.single, this.clock.now()];
    const id = await this.repository.find(tx, name, now);
    if (id === null) throw new Problem('not-found', `No valid certificate belongs to the line of ${name}.`);
    if (apiKey) await this.repository.noteFetch(tx, id, apiKey.id, now);
    const answer = request.headers.accept?.includes(pem) ? await this.chain(id) : await this.reader.get(id);
    const etag = etagOf(answer);
    void reply.headers({ etag, vary: 'accept', 'cache-control': 'private, no-cache' });
    if (namesTag(request.headers['if-none-match'], etag)) {
      void reply.status(304);
      return undefined;
    }
    if (typeof answer === 'string') void reply.type(pem);
    return answer;
  }

  @Get(':id/fetches')
  @Requires('certificate:read')
  @Summary('Which API keys fetched a certificate as the newest of its line', 'The last first, to within an hour.')
  @Answers(200, pageOf(FetchView))
  async fetches(@Id() id: number): Promise<Page<FetchView>> {
    await this.reader.row(id);
    const fetches = await this.repository.fetchesOf(this.db.single, id);
    const items = fetches.map(({ apiKeyId, fetchedAt }) => ({ apiKeyId, fetchedAt: instant(fetchedAt) }));
    return { items, total: items.length };
  }

  private async chain(id: number): Promise<string> {
    const { bodyPem, chainPem } = await this.reader.row(id);
    if (bodyPem === null) throw new Error(`Certificate ${id} is issued and has no body.`);
    return bodyPem + (chainPem ?? '');
  }
}

/** Of the whole answer: a chain can change while the certificate does not. */
function etagOf(answer: CertificateView | string): string {
  const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
  return `"${createHash('sha256').update(text).digest('base64url')}"`;
}
