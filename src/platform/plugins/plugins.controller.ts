import { Controller, Get } from '@nestjs/common';
import { z } from 'zod';
import { Requires } from '../http/actor.js';
import { Answers, PathText, QueryOf, Summary } from '../http/contract.js';
import { type Page, pageOf } from '../http/page.js';
import { Problem } from '../http/problem.js';
import { PluginDescription } from './plugin.schema.js';
import { describePlugin, PluginRegistry } from './registry.js';

const PluginQuery = z.strictObject({ type: PluginDescription.shape.kind.optional() });

@Controller('plugins')
export class PluginsController {
  constructor(private readonly registry: PluginRegistry) {}

  @Get()
  @Requires('plugin:read')
  @Summary('List plugins')
  @Answers(200, pageOf(PluginDescription))
  list(@QueryOf(PluginQuery) { type }: z.output<typeof PluginQuery>): Page<PluginDescription> {
    const items = this.registry.list(type);
    return { items, total: items.length };
  }

  @Get(':slug')
  @Requires('plugin:read')
  @Summary('One plugin, by id or by the name that Lemur gave it')
  @Answers(200, PluginDescription)
  get(@PathText('slug') slug: string): PluginDescription {
    const plugin = this.registry.plugins.find(({ id, aliases }) => id === slug || aliases?.includes(slug));
    if (!plugin) throw new Problem('not-found', `There is no plugin ${slug}.`);
    return describePlugin(plugin);
  }
}
