import { type DynamicModule, Global, Module, type OnModuleInit } from '@nestjs/common';
import { Database } from '../db/database.js';
import { HealthcheckController, HealthController } from '../health/health.controller.js';
import { Readiness } from '../health/readiness.js';
import { Metrics } from '../metrics.js';
import { MetricsController } from '../metrics.controller.js';
import { ProblemsController } from './problems.controller.js';
import { RootController } from './root.controller.js';
import { Surfaces } from './surfaces.js';

/**
 * What a server answers whatever its features are: health, metrics, help pages, documentation. Needs Log and Database
 * from the container.
 */
@Global()
@Module({})
export class HttpModule implements OnModuleInit {
  /** `surfaces` are those that the adapter was made with. */
  static serving(surfaces: Surfaces): DynamicModule {
    return {
      module: HttpModule,
      controllers: [HealthController, HealthcheckController, MetricsController, ProblemsController, RootController],
      providers: [Readiness, Metrics, { provide: Surfaces, useValue: surfaces }],
      exports: [Readiness, Metrics, Surfaces],
    };
  }

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
