import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import type { PluginOf } from '../plugin-api/any-plugin.js';
import type { Reference } from '../platform/http/reference.js';
import { lacking } from '../roles/permission.js';
import { RoleRepository } from '../roles/role.repository.js';
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
    readonly roles: RoleRepository,
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

  async list(actor: Actor, query: PageQuery): Promise<Page<DestinationView>> {
    const page = await this.ready.repository.list(this.db.single, this.configured.asStored('destination', query));
    return { ...page, items: await this.views(this.db.single, actor, page.items) };
  }

  /** Throws Problem `not-found`. */
  async get(actor: Actor, id: number): Promise<DestinationView> {
    return this.view(this.db.single, actor, await this.ready.repository.get(this.db.single, id));
  }

  /** Those of these ids that exist, in the order of their ids. */
  async getMany(actor: Actor, ids: readonly number[]): Promise<DestinationView[]> {
    return this.views(this.db.single, actor, await this.ready.repository.getMany(this.db.single, ids));
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
        open: request.open ?? false,
        createdAt: this.clock.now(),
      });
      await this.ready.destinations.admit(this.ready.destinations.ready(row));
      // The program itself holds no stored role.
      const own = actor.userId === 0 ? [] : actor.roles;
      await this.linkRoles(tx, row.id, request.roles ?? own.map(({ id }) => ({ id })));
      const view = await this.view(tx, actor, row);
      await this.audit.record(tx, actor, {
        action: 'destination.created',
        targetType: 'destination',
        targetId: row.id,
        after: recorded(view),
      });
      await this.ready.newOnes.made(tx, actor, this.ready.destinations.ready(row));
      return view;
    });
  }

  update(actor: Actor, id: number, request: DestinationRequest): Promise<DestinationView> {
    return this.db.write(async (tx) => {
      const row = await this.ready.repository.lock(tx, id);
      const before = await this.view(tx, actor, row);
      const plugin = this.configured.chosen('destination', request.plugin);
      demandKeyScope(actor, plugin);
      Object.assign(
        row,
        { label: request.label, description: request.description ?? null, open: request.open ?? row.open },
        this.configured.seal(plugin, request.plugin, 'destination', row),
      );
      await this.ready.destinations.admit(this.ready.destinations.ready(row));
      await this.ready.repository.save(tx, row);
      if (request.roles) await this.linkRoles(tx, id, request.roles);
      const after = await this.view(tx, actor, row);
      await this.audit.record(tx, actor, {
        action: 'destination.updated',
        targetType: 'destination',
        targetId: id,
        before: recorded(before),
        after: recorded(after),
      });
      return after;
    });
  }

  /** Throws Problem `in-use` while a certificate is delivered there. */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const row = await this.ready.repository.lock(tx, id);
      const before = await this.view(tx, actor, row);
      await this.ready.repository.remove(tx, row);
      await this.audit.record(tx, actor, {
        action: 'destination.deleted',
        targetType: 'destination',
        targetId: id,
        before: recorded(before),
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

  private async linkRoles(tx: Tx, id: number, roles: readonly Reference[]): Promise<void> {
    const found = await this.ready.roles.locate(tx, 'roles', roles);
    await this.ready.repository.setRoles(
      tx,
      id,
      found.map((role) => role.id),
    );
  }

  private async views(tx: Tx, actor: Actor, rows: readonly Destination[]): Promise<DestinationView[]> {
    const accesses = await this.ready.repository.accessOf(
      tx,
      rows.map(({ id }) => id),
    );
    const byId = new Map(accesses.map((access) => [access.id, access]));
    return rows.flatMap((row) => {
      const access = byId.get(row.id);
      return access ? [destinationView(actor, row, access, this.configured.view('destination', row))] : [];
    });
  }

  private async view(tx: Tx, actor: Actor, row: Destination): Promise<DestinationView> {
    return (await this.views(tx, actor, [row]))[0] as DestinationView;
  }
}

/** What the audit log says of it: who may deliver there is no matter of who asks. */
function recorded({ mayDeliver: _, ...view }: DestinationView): object {
  return view;
}

/** Certificates may be on their way to it: to point it elsewhere is a way to their keys. Throws Problem `forbidden`. */
function demandKeyScope(actor: Actor, { needsPrivateKey }: PluginOf<'destination'>): void {
  if (needsPrivateKey && !actor.permissions.has('key:read'))
    throw new Problem('forbidden', `The destination takes private keys. ${lacking('key:read', actor)}`);
}
