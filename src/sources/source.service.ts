import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import type { OptionValues } from '../plugin-api/options.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { Page } from '../platform/http/page.js';
import { invalid } from '../platform/http/problem.js';
import { ConfiguredPlugins, type StoredPlugin } from '../platform/plugins/configured-plugin.js';
import { probed, type ProbeView } from '../platform/plugins/probe.js';
import { OwnerName } from '../roles/role-name.js';
import { EndpointRepository, staleBefore } from './endpoint.repository.js';
import type { Source } from './source.entity.js';
import { type SourceQuery, type SourceRequest, sourceView, type SourceView } from './source.schema.js';
import { SourceRepository } from './source.repository.js';
import { SourceSyncRepository } from './source-sync.repository.js';
import { Sources } from './sources.js';
import { demandAllowedOwner } from '../roles/owner-domain.js';

/** The columns of a source that a request sets. */
type SourceColumns = StoredPlugin & Pick<Source, 'label' | 'description' | 'active' | 'pollS'>;

/** Makes the views of sources. */
@Injectable()
export class SourceReader {
  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly configured: ConfiguredPlugins,
    private readonly syncs: SourceSyncRepository,
    private readonly endpoints: EndpointRepository,
  ) {}

  async views(tx: Tx, rows: readonly Source[]): Promise<SourceView[]> {
    const ids = rows.map(({ id }) => id);
    const [syncs, named] = [await this.syncs.newestOf(tx, ids), await this.endpoints.namesOf(tx, ids)];
    const now = this.clock.now();
    const when = { before: staleBefore(this.config, now), now };
    return rows.map((row) => {
      const { endpoints = [], count = 0 } = named.get(row.id) ?? {};
      return sourceView(row, {
        plugin: this.configured.view('source', row),
        lastSync: syncs.get(row.id),
        endpoints,
        endpointCount: count,
        when,
      });
    });
  }

  async view(tx: Tx, row: Source): Promise<SourceView> {
    return (await this.views(tx, [row]))[0] as SourceView;
  }

  /** What the audit log stores of a source; without secrets. */
  recorded({ label, description, owner, active, ...stored }: Source): object {
    return { label, description, owner, active, plugin: this.configured.view('source', stored) };
  }
}

/** Creates, changes, deletes, tests and lists sources. */
@Injectable()
export class SourceService {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly audit: Audit,
    private readonly configured: ConfiguredPlugins,
    private readonly config: Config,
    private readonly repository: SourceRepository,
    private readonly sources: Sources,
    private readonly reader: SourceReader,
  ) {}

  async list(query: SourceQuery): Promise<Page<SourceView>> {
    const page = await this.repository.list(this.db.single, this.configured.asStored('source', query));
    return { ...page, items: await this.reader.views(this.db.single, page.items) };
  }

  async get(id: number): Promise<SourceView> {
    return this.reader.view(this.db.single, await this.repository.get(this.db.single, id));
  }

  /** Ignores case. Throws Problem `not-found`. */
  async getByLabel(label: string): Promise<SourceView> {
    return this.reader.view(this.db.single, await this.repository.getByLabel(this.db.single, label));
  }

  /** Ignores case. */
  isLabelTaken(label: string): Promise<boolean> {
    return this.repository.isLabelTaken(this.db.single, label);
  }

  /** The sources that exist, in the order of `ids`. */
  async getMany(ids: readonly number[]): Promise<SourceView[]> {
    return this.reader.views(this.db.single, await this.repository.getMany(this.db.single, ids));
  }

  create(actor: Actor, request: SourceRequest): Promise<SourceView> {
    return this.db.write((tx) => this.createIn(tx, actor, request));
  }

  /** Like `create`, in the caller's transaction. */
  async createIn(tx: Tx, actor: Actor, request: SourceRequest): Promise<SourceView> {
    const owner = request.owner ?? ownAddress(actor);
    demandAllowedOwner(owner, this.config);
    const row = await this.add(tx, actor, { ...this.columns(request), owner });
    await this.sources.admit(this.sources.ready(row));
    return this.reader.view(tx, row);
  }

  /** Stores a source in the caller's transaction. An active source is due at once. */
  async add(tx: Tx, actor: Actor, columns: SourceColumns & Pick<Source, 'owner'>): Promise<Source> {
    const now = this.clock.now();
    const row = await this.repository.add(tx, {
      ...columns,
      creatorId: actor.userId || null,
      lastRunAt: null,
      nextRunAt: columns.active ? now : null,
      attempts: 0,
      fault: null,
      faultDetail: null,
      position: null,
      createdAt: now,
    });
    await this.audit.record(tx, actor, {
      action: 'source.created',
      targetType: 'source',
      targetId: row.id,
      after: this.reader.recorded(row),
    });
    return row;
  }

  update(actor: Actor, id: number, request: SourceRequest): Promise<SourceView> {
    return this.db.write(async (tx) => this.change(tx, actor, await this.repository.lock(tx, id), request));
  }

  /** Like `update`, of a source that the caller has locked. */
  async change(tx: Tx, actor: Actor, row: Source, request: SourceRequest): Promise<SourceView> {
    const before = this.reader.recorded(row);
    const { owner = row.owner } = request;
    if (owner !== row.owner) demandAllowedOwner(owner, this.config);
    const columns = this.columns(request, row);
    // A position is in the words of its plugin.
    if (columns.pluginId !== row.pluginId) row.position = null;
    Object.assign(row, columns, { owner });
    await this.sources.admit(this.sources.ready(row));
    row.begin(this.clock.now());
    await this.repository.save(tx, row);
    await this.audit.record(tx, actor, {
      action: 'source.updated',
      targetType: 'source',
      targetId: row.id,
      before,
      after: this.reader.recorded(row),
    });
    return this.reader.view(tx, row);
  }

  /** The certificates that the source found are kept. */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const row = await this.repository.lock(tx, id);
      const before = this.reader.recorded(row);
      await this.repository.remove(tx, row);
      await this.audit.record(tx, actor, { action: 'source.deleted', targetType: 'source', targetId: id, before });
    });
  }

  /** Tests the source without changing anything there. Audited, since it uses secrets. Throws Problem `not-found`. */
  async check(actor: Actor, id: number): Promise<ProbeView> {
    const source = await this.repository.get(this.db.single, id);
    await this.audit.record(this.db.single, actor, { action: 'source.tested', targetType: 'source', targetId: id });
    return probed((signal) => this.sources.check(this.sources.ready(source), signal));
  }

  private columns({ plugin: input, label, description, active }: SourceRequest, before?: StoredPlugin): SourceColumns {
    const plugin = this.configured.chosen('source', input);
    const stored = this.configured.seal(plugin, input, 'source', before);
    return {
      label,
      description: description ?? null,
      active,
      ...stored,
      pollS: pollSeconds(this.configured.open(plugin, stored, 'source')),
    };
  }
}

/** The interval between two scans: the option `pollRate`, which is in minutes; an hour when the source has none. */
export function pollSeconds({ pollRate }: OptionValues): number {
  return (typeof pollRate === 'number' ? pollRate : 60) * 60;
}

/** The address of the user. Throws Problem `invalid-request` when mail cannot reach it, since an owner gets notices. */
function ownAddress({ email }: Actor): string {
  const owner = OwnerName.safeParse(email);
  if (owner.success) return owner.data;
  throw invalid('owner', 'Name an owner for the certificates found here: your account has no address for mail.');
}
