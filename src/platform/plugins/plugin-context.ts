import { Injectable } from '@nestjs/common';
import { PluginError } from '../../plugin-api/errors.js';
import type { AnyPlugin } from '../../plugin-api/any-plugin.js';
import type { OptionValues } from '../../plugin-api/options.js';
import type { PluginContext } from '../../plugin-api/plugin.js';
import { Clock } from '../clock.js';
import { invalid } from '../http/problem.js';
import { Log } from '../log.js';
import { PluginSite } from './site.js';

const admissionMs = 5000;

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
      site: this.site.forCall(signal),
      now: () => this.clock.now(),
      log: (message, fields = {}) => this.log.info(fields, message),
    };
  }

  /** Throws Problem `invalid-request` when this installation does not let the plugin work with these options. */
  async admit(plugin: AnyPlugin, options: OptionValues): Promise<void> {
    try {
      await plugin.admit?.(options, this.make(AbortSignal.timeout(admissionMs)));
    } catch (error) {
      if (!(error instanceof PluginError)) throw error;
      if (error.fault === 'misconfigured') throw invalid('plugin.options', error.detail);
    }
  }
}
