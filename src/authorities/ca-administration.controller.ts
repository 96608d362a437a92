import { Controller, Get, Post, Put } from '@nestjs/common';
import type { z } from 'zod';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, PathText, QueryOf, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { CaAdministration, found } from './ca-administration.js';
import {
  CaOrganizationView,
  caOrganizationView,
  CaPersonQuery,
  CaPersonView,
  caPersonView,
  CaProfileLabelView,
  caProfileLabelView,
  CaProfileView,
  caProfileView,
  CaRequestLabelView,
  caRequestLabelView,
  CaRequestQuery,
  CaRequestView,
  caRequestView,
  CaSettingsView,
  ChangeCaProfile,
  ChangeCaSettings,
  CreateCaPerson,
  DecideCaRequest,
  HeldQuery,
  HeldView,
  heldView,
  partOf,
  PartQuery,
} from './ca-administration.schema.js';

type Listed<T> = { items: T[]; next: string | null; total: number | null };

const elsewhere = 'For a CA elsewhere whose issuer can show it, and for those who may change the authority.';

@Controller('authorities/:id')
export class CaAdministrationController {
  constructor(private readonly ca: CaAdministration) {}

  @Get('profiles')
  @Requires('authority:update')
  @Summary('The profiles of the CA', elsewhere)
  @Answers(200, partOf(CaProfileLabelView))
  async profiles(
    @Who() actor: Actor,
    @Id() id: number,
    @QueryOf(PartQuery) query: z.output<typeof PartQuery>,
  ): Promise<Listed<CaProfileLabelView>> {
    const { verbs, options, ctx } = await this.ca.profiles(actor, id);
    return listed(await verbs.list(query, options, ctx), caProfileLabelView);
  }

  @Get('profiles/:profile')
  @Requires('authority:update')
  @Summary('One profile of the CA', 'With its inputs, outputs and policies.')
  @Answers(200, CaProfileView)
  async profile(@Who() actor: Actor, @Id() id: number, @PathText('profile') profile: string): Promise<CaProfileView> {
    return caProfileView(found(await this.ca.profile(actor, id, profile), 'profile'));
  }

  @Put('profiles/:profile')
  @Requires('authority:update')
  @Summary('Enable or disable a profile of the CA')
  @Answers(200, CaProfileView)
  async switchProfile(
    @Who() actor: Actor,
    @Id() id: number,
    @PathText('profile') profile: string,
    @JsonBody(ChangeCaProfile) { enabled }: ChangeCaProfile,
  ): Promise<CaProfileView> {
    await this.ca.switchProfile(actor, id, profile, enabled);
    return this.profile(actor, id, profile);
  }

  @Get('requests')
  @Requires('authority:update')
  @Summary('The requests at the CA', `Also those that others made there. ${elsewhere}`)
  @Answers(200, partOf(CaRequestLabelView))
  async requests(
    @Who() actor: Actor,
    @Id() id: number,
    @QueryOf(CaRequestQuery) query: CaRequestQuery,
  ): Promise<Listed<CaRequestLabelView>> {
    return listed(await this.ca.listRequests(actor, id, query), caRequestLabelView);
  }

  @Get('requests/:request')
  @Requires('authority:update')
  @Summary('One request at the CA', 'With what it asks for, and what the certificate would hold.')
  @Answers(200, CaRequestView)
  async request(@Who() actor: Actor, @Id() id: number, @PathText('request') request: string): Promise<CaRequestView> {
    const { verbs, options, ctx } = await this.ca.requests(actor, id);
    return caRequestView(found(await verbs.get({ id: request }, options, ctx), 'request'));
  }

  @Put('requests/:request')
  @Requires('authority:update')
  @Summary(
    'Decide about a request at the CA',
    'Approve, reject or cancel it; assign it to the account of the authority, or to nobody; change its values, or ' +
      'have them checked.',
  )
  @Answers(200, CaRequestView)
  async decide(
    @Who() actor: Actor,
    @Id() id: number,
    @PathText('request') request: string,
    @JsonBody(DecideCaRequest) decision: DecideCaRequest,
  ): Promise<CaRequestView> {
    await this.ca.decide(actor, id, request, decision);
    return this.request(actor, id, request);
  }

  @Get('certificates')
  @Requires('authority:update')
  @Summary(
    'The certificates that the CA holds',
    `Whoever asked the CA for them; a source with the plugin \`authority\` imports them. ${elsewhere}`,
  )
  @Answers(200, partOf(HeldView))
  async certificates(
    @Who() actor: Actor,
    @Id() id: number,
    @QueryOf(HeldQuery) query: HeldQuery,
  ): Promise<Listed<HeldView>> {
    return listed(await this.ca.certificates(actor, id, query), heldView);
  }

  @Get('settings')
  @Requires('authority:update')
  @Summary('The settings of the CA at its service', elsewhere)
  @Answers(200, CaSettingsView)
  async settings(@Who() actor: Actor, @Id() id: number): Promise<CaSettingsView> {
    const { verbs, options, ctx } = await this.ca.settings(actor, id);
    return { options: await verbs.get(options, ctx) };
  }

  @Put('settings')
  @Requires('authority:update')
  @Summary('Change settings of the CA at its service', 'Those that are given; the others stay as they are.')
  @Answers(200, CaSettingsView)
  async changeSettings(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(ChangeCaSettings) { options }: ChangeCaSettings,
  ): Promise<CaSettingsView> {
    await this.ca.changeSettings(actor, id, options);
    return this.settings(actor, id);
  }

  @Get('organizations')
  @Requires('authority:update')
  @Summary('The organizations that the account has at the CA', `And their departments. ${elsewhere}`)
  @Answers(200, partOf(CaOrganizationView))
  async organizations(@Who() actor: Actor, @Id() id: number): Promise<Listed<CaOrganizationView>> {
    const items = await this.ca.organizations(actor, id);
    return listed({ items, total: items.length }, caOrganizationView);
  }

  @Get('persons')
  @Requires('authority:update')
  @Summary('The persons whom the CA knows', elsewhere)
  @Answers(200, partOf(CaPersonView))
  async persons(
    @Who() actor: Actor,
    @Id() id: number,
    @QueryOf(CaPersonQuery) query: z.output<typeof CaPersonQuery>,
  ): Promise<Listed<CaPersonView>> {
    const { verbs, options, ctx } = await this.ca.persons(actor, id);
    return listed(await verbs.list(query, options, ctx), caPersonView);
  }

  @Post('persons')
  @Idempotent()
  @Requires('authority:update')
  @Summary('Tell the CA of a person', 'So that it issues client certificates for the address.')
  @Answers(200, CaPersonView)
  async createPerson(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(CreateCaPerson) person: CreateCaPerson,
  ): Promise<CaPersonView> {
    return caPersonView({ ...person, id: await this.ca.createPerson(actor, id, person) });
  }
}

function listed<T, V>(
  { items, next, total }: { items: readonly T[]; next?: string; total?: number },
  view: (item: T) => V,
): Listed<V> {
  return { items: items.map(view), next: next ?? null, total: total ?? null };
}
