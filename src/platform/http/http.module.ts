import { Global, Module, type OnModuleInit } from '@nestjs/common';
import { Database } from '../db/database.js';
import { HealthcheckController, HealthController } from '../health/health.controller.js';
import { Readiness } from '../health/readiness.js';
import { Metrics } from '../metrics.js';
import { MetricsController } from '../metrics.controller.js';
import { ProblemsController } from './problems.controller.js';

/**
 * What a server answers whatever its features are: health, metrics, help pages. Needs Log and Database from the
 * container.
 */
@Global()
@Module({
  controllers: [HealthController, HealthcheckController, MetricsController, ProblemsController],
  providers: [Readiness, Metrics],
  exports: [Readiness, Metrics],
})
export class HttpModule implements OnModuleInit {
  constructor(
    private readonly readiness: Readiness,
    private readonly database: Database,
  ) {}

  onModuleInit(): void {
    this.readiness.add('database', async () => {
      await this.database.single.query('select 1');
      return null;
    });
  }
}
