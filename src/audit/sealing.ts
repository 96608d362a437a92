import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../jobs/periodic.js';
import { AuditSealer } from './audit-sealer.js';

/** Seals every second, in one process at a time. */
@Injectable()
export class Sealing implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly sealer: AuditSealer,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('audit.seal', 1, async () => {
      await this.sealer.seal();
    });
  }
}
