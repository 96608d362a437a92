import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '../audit/audit.js';
import { serialHexOf } from '../pki/serial.js';
import type {
  CaOrganization,
  CaPersons,
  CaProfile,
  CaProfiles,
  CaRequests,
  CaSettings,
  Part,
} from '../plugin-api/ca-administration.js';
import type { Held } from '../plugin-api/ca-inventory.js';
import { PluginError } from '../plugin-api/errors.js';
import type { OptionSchema, OptionValues } from '../plugin-api/options.js';
import type { PluginContext } from '../plugin-api/plugin.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { validate } from '../platform/http/validate.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import { Authorities, demandActive, type LoadedAuthority } from './authorities.js';
import { AuthorityRepository, viewerOf } from './authority.repository.js';
import { demandRight } from './authority-store.js';
import type { CaRequestQuery, CreateCaPerson, DecideCaRequest, HeldQuery } from './ca-administration.schema.js';

const askMs = 55_000;

/** What a verb of the issuer gets beside its request. */
interface Asking<Verbs> {
  verbs: Verbs;
  options: OptionValues;
  ctx: PluginContext;
}

/**
 * Profiles, requests, certificates, settings and customers at the CA of an authority, for those who may change the
 * authority: they act with its credentials. Nothing of it is kept here. Methods throw Problem `not-found`, `forbidden`
 * or `authority-inactive`, and PluginError: `misconfigured` when the issuer has no such thing.
 */
@Injectable()
export class CaAdministration {
  constructor(
    private readonly db: Database,
    private readonly authorities: Authorities,
    private readonly repository: AuthorityRepository,
    private readonly contexts: PluginContexts,
    private readonly audit: Audit,
  ) {}

  async profiles(actor: Actor, id: number): Promise<Asking<CaProfiles<OptionSchema>>> {
    const authority = await this.admitted(actor, id);
    return this.asking(authority, authority.plugin.profiles, 'profiles');
  }

  async requests(actor: Actor, id: number): Promise<Asking<CaRequests<OptionSchema>>> {
    const authority = await this.admitted(actor, id);
    return this.asking(authority, authority.plugin.requests, 'requests');
  }

  /** Null: the CA has none with this id. */
  async profile(actor: Actor, id: number, profileId: string): Promise<CaProfile | null> {
    const { verbs, options, ctx } = await this.profiles(actor, id);
    if (!verbs.get) throw new PluginError('misconfigured', 'The CA names its profiles, and shows no more of them.');
    return verbs.get({ id: profileId }, options, ctx);
  }

  async switchProfile(actor: Actor, id: number, profileId: string, enabled: boolean): Promise<void> {
    const { verbs, options, ctx } = await this.profiles(actor, id);
    const verb = enabled ? 'enable' : 'disable';
    if (!verbs[verb])
      throw new PluginError('misconfigured', `The CA lets nobody ${verb} a profile over its interface.`);
    await this.recordAsked(actor, id, 'authority.ca-profile-switched', { profile: profileId, enabled });
    await verbs[verb]({ id: profileId }, options, ctx);
  }

  async listRequests(actor: Actor, id: number, query: CaRequestQuery): ReturnType<CaRequests<OptionSchema>['list']> {
    const { verbs, options, ctx } = await this.requests(actor, id);
    return verbs.list(query, options, ctx);
  }

  async decide(actor: Actor, id: number, requestId: string, decision: DecideCaRequest): Promise<void> {
    const { verbs, options, ctx } = await this.requests(actor, id);
    await this.recordAsked(actor, id, 'authority.ca-request-decided', { request: requestId, ...decision });
    await verbs.decide({ id: requestId, ...decision }, options, ctx);
  }

  async settings(actor: Actor, id: number): Promise<Asking<CaSettings<OptionSchema>>> {
    const authority = await this.admitted(actor, id);
    return this.asking(authority, authority.plugin.settings, 'settings');
  }

  /** Throws Problem `invalid-request` for what the issuer does not change. */
  async changeSettings(actor: Actor, id: number, given: Record<string, unknown>): Promise<void> {
    const { verbs, options, ctx } = await this.settings(actor, id);
    const { options: changes } = validate(z.strictObject({ options: verbs.changes }), { options: given });
    await this.recordAsked(actor, id, 'authority.ca-settings-changed', changes);
    await verbs.update({ changes }, options, ctx);
  }

  async organizations(actor: Actor, id: number): Promise<readonly CaOrganization[]> {
    const authority = await this.admitted(actor, id);
    const { verbs, options, ctx } = this.asking(authority, authority.plugin.organizations, 'organizations');
    return verbs.list(options, ctx);
  }

  async persons(actor: Actor, id: number): Promise<Asking<CaPersons<OptionSchema>>> {
    const authority = await this.admitted(actor, id);
    return this.asking(authority, authority.plugin.persons, 'persons');
  }

  /** The id of the person at the CA. */
  async createPerson(actor: Actor, id: number, person: CreateCaPerson): Promise<string> {
    const { verbs, options, ctx } = await this.persons(actor, id);
    await this.recordAsked(actor, id, 'authority.ca-person-created', person);
    return (await verbs.create(person, options, ctx)).id;
  }

  /** What the CA holds; `next` is how many to pass over. */
  async certificates(actor: Actor, id: number, query: HeldQuery): Promise<Part<Held>> {
    const { after = 0, count, serial, commonName, status } = query;
    const authority = await this.admitted(actor, id);
    const wanted = {
      skip: after,
      ...(commonName !== undefined && { commonName }),
      ...(serial !== undefined && { serialHex: serialHexOf(BigInt(serial)) }),
      ...(status !== undefined && { status }),
    };
    const items: Held[] = [];
    for await (const one of this.authorities.list(authority, wanted, AbortSignal.timeout(askMs))) {
      // One more than is shown tells whether there are more.
      if (items.length === count) return { items, next: String(after + count) };
      items.push(one);
    }
    return { items };
  }

  private async admitted(actor: Actor, id: number): Promise<LoadedAuthority> {
    const tx = this.db.single;
    await this.repository.demandVisible(tx, id, viewerOf(actor));
    demandRight(actor, await this.repository.get(tx, id), await this.repository.rolesOfOne(tx, id));
    const loaded = await this.authorities.get(id);
    demandActive(loaded.authority);
    return loaded;
  }

  private asking<Verbs>(
    { plugin: { title }, options }: LoadedAuthority,
    verbs: Verbs | undefined,
    what: string,
  ): Asking<Verbs> {
    if (!verbs) throw new PluginError('misconfigured', `${title} does not show the ${what} of its CA.`);
    return { verbs, options, ctx: this.contexts.make(AbortSignal.timeout(askMs)) };
  }

  /** On record before the CA is asked: it may act although its answer is lost. */
  private async recordAsked(actor: Actor, id: number, action: string, after: object): Promise<void> {
    await this.audit.record(this.db.single, actor, { action, targetType: 'authority', targetId: id, after });
  }
}

/** Throws Problem `not-found` for what the CA does not have. */
export function found<T>(one: T | null, what: string): T {
  if (one === null) throw new Problem('not-found', `The CA has no such ${what}.`);
  return one;
}
