import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Problem } from './problem.js';

const forWatchers = /^\/(health|metrics|problems)(\/|\?|$)/;

/** Answers whoever watches a worker and nobody else: health, metrics and the help pages. Call it before `listen`. */
export function serveWatchersOnly(app: NestFastifyApplication): void {
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', (request, _reply, done) => {
      if (forWatchers.test(request.url)) done();
      else
        done(
          new Problem(
            'not-found',
            'This process is a worker: it serves /health and /metrics. The API is where PERENNIAL_ROLE is api or all.',
          ),
        );
    });
}
