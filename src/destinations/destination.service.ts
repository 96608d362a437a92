import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import type { PluginOf } from '../plugin-api/plugin.js';
import { lacking } from '../roles/permission.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { probed, type ProbeView } from '../platform/plugins/probe.js';
import type { Destination } from './destination.entity.js';
import { DestinationRepository } from './destination.repository.js';
import { type DestinationRequest, type DestinationView, destinationView } from './destination.schema.js';
import { Destinations } from './destinations.js';
import { NewDestinations } from './new-destinations.js';

/** Stored destinations and the same made ready for use. */
@Injectable()
export class ReadyDestinations {
  constructor(
    readonly repository: DestinationRepository,
    readonly destinations: Destinations,
    readonly newOnes: NewDestinations,
  ) {}
}

/** The use cases on destinations. */
@Injectable()
export class DestinationService {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly audit: Audit,
    private readonly configured: ConfiguredPlugins,
    private readonly ready: ReadyDestinations,
  ) {}

  async list(query: PageQuery): Promise<Page<DestinationView>> {
    const page = await this.ready.repository.list(this.db.single, this.configured.asStored('destination', query));
    return { ...page, items: page.items.map((row) => this.view(row)) };
  }

  async get(id: number): Promise<DestinationView> {
    return this.view(await this.ready.repository.get(this.db.single, id));
  }

  create(actor: Actor, request: DestinationRequest): Promise<DestinationView> {
    const stored = this.configured.seal(
      this.configured.chosen('destination', request.plugin),
      request.plugin,
      'destination',
    );
    return this.db.write(async (tx) => {
      const row = await this.ready.repository.add(tx, {
        label: request.label,
        description: request.description ?? null,
        ...stored,
        createdAt: this.clock.now(),
      });
      await this.audit.record(tx, actor, {
        action: 'destination.created',
        targetType: 'destination',
        targetId: row.id,
        after: this.view(row),
      });
      await this.ready.newOnes.made(tx, actor, this.ready.destinations.ready(row));
      return this.view(row);
    });
  }

  update(actor: Actor, id: number, request: DestinationRequest): Promise<DestinationView> {
    return this.db.write(async (tx) => {
      const row = await this.ready.repository.lock(tx, id);
      const before = this.view(row);
      const plugin = this.configured.chosen('destination', request.plugin);
      demandKeyScope(actor, plugin);
      Object.assign(
        row,
        { label: request.label, description: request.description ?? null },
        this.configured.seal(plugin, request.plugin, 'destination', row),
      );
      await this.ready.repository.save(tx, row);
      await this.audit.record(tx, actor, {
        action: 'destination.updated',
        targetType: 'destination',
        targetId: id,
        before,
        after: this.view(row),
      });
      return this.view(row);
    });
  }

  /** Throws Problem `in-use` while a certificate is delivered there. */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const row = await this.ready.repository.lock(tx, id);
      const before = this.view(row);
      await this.ready.repository.remove(tx, row);
      await this.audit.record(tx, actor, {
        action: 'destination.deleted',
        targetType: 'destination',
        targetId: id,
        before,
      });
    });
  }

  /**
   * Tries the destination out without changing anything there; on record, because its secrets are used. Throws Problem
   * `not-found`.
   */
  async check(actor: Actor, id: number): Promise<ProbeView> {
    const destination = await this.ready.repository.get(this.db.single, id);
    await this.audit.record(this.db.single, actor, {
      action: 'destination.tested',
      targetType: 'destination',
      targetId: id,
    });
    return probed((signal) => this.ready.destinations.check(this.ready.destinations.ready(destination), signal));
  }

  private view(row: Destination): DestinationView {
    return destinationView(row, this.configured.view('destination', row));
  }
}

/** Certificates may be on their way to it: to point it elsewhere is a way to their keys. Throws Problem `forbidden`. */
function demandKeyScope(actor: Actor, { needsPrivateKey }: PluginOf<'destination'>): void {
  if (needsPrivateKey && !actor.permissions.has('key:read'))
    throw new Problem('forbidden', `The destination takes private keys. ${lacking('key:read', actor)}`);
}
