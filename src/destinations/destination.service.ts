import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import { Database, type Tx } from '../platform/db/database.js';
import { refuseInUse } from '../platform/db/dependents.js';
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
import { DestinationForm } from './destination-form.js';
import { DestinationRepository } from './destination.repository.js';
import { type DestinationRequest, type DestinationView, destinationView } from './destination.schema.js';
import { Destinations } from './destinations.js';

/** The use cases on destinations. */
@Injectable()
export class DestinationService {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly audit: Audit,
    private readonly configured: ConfiguredPlugins,
    private readonly repository: DestinationRepository,
    private readonly destinations: Destinations,
    private readonly roles: RoleRepository,
    private readonly form: DestinationForm,
  ) {}

  async list(actor: Actor, query: PageQuery): Promise<Page<DestinationView>> {
    const page = await this.repository.list(this.db.single, this.configured.asStored('destination', query));
    return { ...page, items: await this.views(this.db.single, actor, page.items) };
  }

  /** Throws Problem `not-found`. */
  async get(actor: Actor, id: number): Promise<DestinationView> {
    return this.view(this.db.single, actor, await this.repository.get(this.db.single, id));
  }

  /** The existing destinations among these ids, ordered by id. */
  async getMany(actor: Actor, ids: readonly number[]): Promise<DestinationView[]> {
    return this.views(this.db.single, actor, await this.repository.getMany(this.db.single, ids));
  }

  create(actor: Actor, request: DestinationRequest): Promise<DestinationView> {
    const columns = this.form.columns(request);
    return this.db.write(async (tx) => {
      const row = await this.repository.add(tx, { ...columns, createdAt: this.clock.now() });
      await this.destinations.admit(this.destinations.ready(row));
      // The system actor has no stored roles.
      const own = actor.userId === 0 ? [] : actor.roles;
      await this.linkRoles(tx, row.id, request.roles ?? own.map(({ id }) => ({ id })));
      const view = await this.view(tx, actor, row);
      await this.audit.record(tx, actor, {
        action: 'destination.created',
        targetType: 'destination',
        targetId: row.id,
        after: recorded(view),
      });
      await this.destinations.created(tx, actor, this.destinations.ready(row));
      return view;
    });
  }

  update(actor: Actor, id: number, request: DestinationRequest): Promise<DestinationView> {
    return this.db.write(async (tx) => {
      const row = await this.repository.lock(tx, id);
      const before = await this.view(tx, actor, row);
      demandKeyScope(actor, this.form.chosen(request));
      Object.assign(row, this.form.columns(request, row));
      await this.destinations.admit(this.destinations.ready(row));
      await this.repository.save(tx, row);
      if (request.roles) await this.linkRoles(tx, id, request.roles);
      const after = await this.view(tx, actor, row);
      await this.audit.record(tx, actor, {
        action: 'destination.updated',
        targetType: 'destination',
        targetId: id,
        before: recorded(before),
        after: recorded(after),
      });
      await this.destinations.changed(tx, id);
      return after;
    });
  }

  /** Throws Problem `in-use` while a certificate is deployed there. */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const row = await this.repository.lock(tx, id);
      const advice = 'Detach it from its certificates first.';
      refuseInUse([await this.repository.standingAt(tx, id)], `Destination ${row.label}`, advice);
      const before = await this.view(tx, actor, row);
      await this.repository.remove(tx, row);
      await this.audit.record(tx, actor, {
        action: 'destination.deleted',
        targetType: 'destination',
        targetId: id,
        before: recorded(before),
      });
    });
  }

  /**
   * Tests the destination without changing anything there. Audited, because it uses the secrets. Throws Problem
   * `not-found`.
   */
  async check(actor: Actor, id: number): Promise<ProbeView> {
    const destination = await this.repository.get(this.db.single, id);
    await this.audit.record(this.db.single, actor, {
      action: 'destination.tested',
      targetType: 'destination',
      targetId: id,
    });
    return probed((signal) => this.destinations.check(this.destinations.ready(destination), signal));
  }

  private async linkRoles(tx: Tx, id: number, roles: readonly Reference[]): Promise<void> {
    const found = await this.roles.locate(tx, 'roles', roles);
    await this.repository.setRoles(
      tx,
      id,
      found.map((role) => role.id),
    );
  }

  private async views(tx: Tx, actor: Actor, rows: readonly Destination[]): Promise<DestinationView[]> {
    const accesses = await this.repository.accessOf(
      tx,
      rows.map(({ id }) => id),
    );
    const byId = new Map(accesses.map((access) => [access.id, access]));
    return rows.flatMap((row) => {
      const access = byId.get(row.id);
      return access ? [destinationView(actor, row, access, this.form.plugins(row))] : [];
    });
  }

  private async view(tx: Tx, actor: Actor, row: Destination): Promise<DestinationView> {
    return (await this.views(tx, actor, [row]))[0] as DestinationView;
  }
}

/** The audited form: without `mayDeliver`, which depends on the reader. */
function recorded({ mayDeliver: _, ...view }: DestinationView): object {
  return view;
}

/**
 * Deliveries may be under way: whoever redirects the destination obtains their private keys. Throws Problem
 * `forbidden`.
 */
function demandKeyScope(actor: Actor, { needsPrivateKey }: PluginOf<'destination'>): void {
  if (needsPrivateKey && !actor.permissions.has('key:read'))
    throw new Problem('forbidden', `The destination takes private keys. ${lacking('key:read', actor)}`);
}
