import { Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { KeyRefusals } from '../../auth/key-refusals.js';
import { AuthorityRemoval } from '../../authorities/delete-authority.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { JsonBody } from '../../platform/http/contract.js';
import { Idempotent } from '../../platform/http/idempotent.js';
import { Problem } from '../../platform/http/problem.js';
import { CaCreate } from './ca.schema.js';
import { type CaDetailView, type CaView, caView } from './ca.view.js';
import { Cas } from './cas.js';
import { refusedInWords } from './fast-api-error.js';
import { PathId } from './parameters.js';
import { fastpkiPrefix } from './fastpki.surfaces.js';

/** FastPKI's routes of CAs. */
@ApiExcludeController()
@Controller(`${fastpkiPrefix}/cas`)
export class FastpkiCasController {
  constructor(
    private readonly cas: Cas,
    private readonly removal: AuthorityRemoval,
    private readonly refusals: KeyRefusals,
  ) {}

  @Get()
  @Requires('authority:read')
  async list(@Who() actor: Actor): Promise<CaView[]> {
    return (await this.cas.all(actor)).map(caView);
  }

  @Get(':id')
  @Requires('authority:read')
  async get(@Who() actor: Actor, @PathId('ca_id') id: number): Promise<CaView> {
    return caView(await this.cas.get(actor, id));
  }

  @Get(':id/chain')
  @Requires('authority:read')
  async chain(@Who() actor: Actor, @PathId('ca_id') id: number): Promise<CaView[]> {
    return (await this.cas.chain(actor, id)).map(caView);
  }

  @Get(':id/children')
  @Requires('authority:read')
  async children(@Who() actor: Actor, @PathId('ca_id') id: number): Promise<CaView[]> {
    return (await this.cas.children(actor, id)).map(caView);
  }

  @Get(':id/private-key')
  @Requires('authority:read')
  async privateKey(@Who() actor: Actor, @PathId('ca_id') id: number): Promise<never> {
    const { name } = await this.cas.get(actor, id);
    await this.refusals.note(actor, { targetType: 'authority', targetId: id });
    throw new Problem('forbidden', `The private key of ${name} never leaves: nobody may read keys of CAs.`);
  }

  @Post()
  @HttpCode(201)
  @Idempotent()
  @Requires('authority:create')
  async create(@Who() actor: Actor, @JsonBody(CaCreate) body: CaCreate): Promise<CaDetailView> {
    return { ...caView(await refusedInWords(() => this.cas.create(actor, body))), private_key: null };
  }

  @Delete(':id')
  @HttpCode(204)
  @Requires('authority:create')
  async remove(@Who() actor: Actor, @PathId('ca_id') id: number): Promise<void> {
    await this.cas.get(actor, id);
    await this.removal.remove(actor, id);
  }
}
