import { Injectable } from '@nestjs/common';
import type { PluginContext } from '../../plugin-api/plugin.js';
import { Clock } from '../clock.js';
import { Log } from '../log.js';
import { PluginSite } from './site.js';

/** Makes what a plugin gets beside its options. */
@Injectable()
export class PluginContexts {
  constructor(
    private readonly site: PluginSite,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** For one call; `signal` ends it. */
  make(signal: AbortSignal): PluginContext {
    return {
      signal,
      site: this.site,
      now: () => this.clock.now(),
      log: (message, fields = {}) => this.log.info(fields, message),
    };
  }
}
