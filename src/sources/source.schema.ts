import { z } from 'zod';
import type { Actor } from '../platform/http/actor.js';
import { instant, instantOrNull, InstantOut } from '../platform/http/instant.js';
import { listQuery } from '../platform/http/page.js';
import { queryBoolean } from '../platform/http/query.js';
import { visibleText } from '../platform/http/visible-text.js';
import { OptionValueView, PluginInput, PluginView } from '../platform/plugins/plugin.schema.js';
import { maySeeOptionsOfSource } from '../roles/permission.js';
import { OwnerName } from '../roles/role-name.js';
import { type EndpointName, isActive } from './endpoint.repository.js';
import type { Source } from './source.entity.js';
import { type SourceSync, syncStates } from './source-sync.entity.js';

const ignored = z.unknown().optional().meta({ description: 'Ignored.' });

/** POST and PUT /sources. Ignores members that only the response has, because Lemur's clients send them back. */
export const SourceRequest = z
  .strictObject({
    id: z.int().optional().meta({ description: 'Ignored.' }),
    label: visibleText(128),
    description: z.string().max(1024).nullish(),
    owner: OwnerName.optional().meta({
      description:
        'Owner of the certificates for which the source does not report an owner. ' +
        'Default: the address of the user who creates the source.',
    }),
    active: z.boolean().default(true).meta({ description: 'False: scanned only on request.' }),
    plugin: PluginInput,
    options: ignored,
    lastRun: ignored,
    nextRun: ignored,
    lastSync: ignored,
    attempts: ignored,
    fault: ignored,
    detail: ignored,
    endpoints: ignored,
    endpointCount: ignored,
  })
  .meta({ id: 'SourceRequest' });
export type SourceRequest = z.output<typeof SourceRequest>;

export const SyncView = z
  .object({
    id: z.int(),
    sourceId: z.int(),
    state: z.enum(syncStates),
    certificates: z.int().meta({ description: 'Certificates reported so far.' }),
    imported: z.int().meta({ description: 'Certificates that were new.' }),
    endpoints: z.int(),
    gone: z
      .int()
      .meta({ description: 'Certificates that two complete scans in a row have not found: they are stale there.' }),
    troubles: z.int(),
    troubleList: z
      .array(z.object({ location: z.string(), detail: z.string() }))
      .meta({ description: 'The first hundred.' }),
    fault: z.string().nullable(),
    detail: z.string().nullable(),
    createdAt: InstantOut,
    startedAt: InstantOut.nullable(),
    finishedAt: InstantOut.nullable(),
  })
  .meta({ id: 'SourceSync' });
export type SyncView = z.output<typeof SyncView>;

export const EndpointNameView = z
  .object({
    id: z.int(),
    name: z.string(),
    dnsname: z.string(),
    port: z.int(),
    type: z.string(),
    owner: z.string(),
    active: z.boolean(),
    staleSince: InstantOut.nullable().meta({
      description: 'When the second complete scan in a row has not seen it; null until then.',
    }),
  })
  .meta({ id: 'EndpointName' });
export type EndpointNameView = z.output<typeof EndpointNameView>;

export const SourceView = z
  .object({
    id: z.int(),
    label: z.string(),
    description: z.string().nullable(),
    owner: z.string(),
    active: z.boolean(),
    plugin: PluginView,
    options: z.array(OptionValueView).meta({ description: 'The same as `plugin.pluginOptions`.' }),
    lastRun: InstantOut.nullable().meta({ description: 'The end of the last complete scan.' }),
    nextRun: InstantOut.nullable(),
    attempts: z.int().meta({ description: 'Consecutive failures.' }),
    fault: z.string().nullable(),
    detail: z.string().nullable(),
    lastSync: SyncView.nullable(),
    endpoints: z.array(EndpointNameView).meta({ description: 'The first hundred; GET /endpoints has all.' }),
    endpointCount: z.int(),
  })
  .meta({ id: 'Source' });
export type SourceView = z.output<typeof SourceView>;

export const SourceQuery = listQuery('id', 'label', 'pluginName', 'active').extend({
  owner: z.string().max(128).toLowerCase().optional(),
  active: queryBoolean().optional(),
});
export type SourceQuery = z.output<typeof SourceQuery>;
export const SyncQuery = listQuery('id');

/** What the view of a source shows besides its row. */
export interface SourceState {
  plugin: PluginView;
  lastSync: SourceSync | undefined;
  endpoints: readonly EndpointName[];
  endpointCount: number;
  /** `before` comes from `staleBefore`. */
  when: { before: Date; now: Date };
}

export function sourceView(row: Source, { plugin, lastSync, endpoints, endpointCount, when }: SourceState): SourceView {
  const { id, label, description, owner, active, attempts, fault, faultDetail } = row;
  return {
    id,
    label,
    description,
    owner,
    active,
    plugin,
    options: plugin.pluginOptions,
    attempts,
    fault,
    detail: faultDetail,
    lastRun: instantOrNull(row.lastRunAt),
    nextRun: instantOrNull(row.nextRunAt),
    lastSync: lastSync ? syncView(lastSync) : null,
    endpoints: endpoints.map((endpoint) => endpointNameView(endpoint, when)),
    endpointCount,
  };
}

/** The view without options, unless this actor may see them: a destination may have the same options. */
export function sourceSeenBy<T extends Pick<SourceView, 'owner' | 'plugin' | 'options'>>(actor: Actor, view: T): T {
  if (maySeeOptionsOfSource(actor, view)) return view;
  return { ...view, plugin: { ...view.plugin, options: {}, pluginOptions: [], secretsSet: [] }, options: [] };
}

export function syncView({ createdAt, startedAt, finishedAt, faultDetail, ...row }: SourceSync): SyncView {
  const { id, sourceId, state, certificates, imported, endpoints, gone, troubles, troubleList, fault } = row;
  return {
    id,
    sourceId,
    state,
    certificates,
    imported,
    endpoints,
    gone,
    troubles,
    troubleList,
    fault,
    detail: faultDetail,
    createdAt: instant(createdAt),
    startedAt: instantOrNull(startedAt),
    finishedAt: instantOrNull(finishedAt),
  };
}

/** `before` comes from `staleBefore`. */
export function endpointNameView(
  endpoint: EndpointName,
  { before, now }: { before: Date; now: Date },
): EndpointNameView {
  const { id, name, dnsName, port, type, owner } = endpoint;
  const staleSince = endpoint.staleSince === null ? null : instant(new Date(endpoint.staleSince));
  return { id, name, dnsname: dnsName, port, type, owner, active: isActive(endpoint, before, now), staleSince };
}
