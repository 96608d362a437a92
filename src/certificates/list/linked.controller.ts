import { Controller, Get } from '@nestjs/common';
import { z } from 'zod';
import { AuthorityView } from '../../authorities/authority.schema.js';
import { AuthorityReader } from '../../authorities/authority-reader.js';
import { DestinationView } from '../../destinations/destination.schema.js';
import { DestinationService } from '../../destinations/destination.service.js';
import { NotificationView } from '../../notifications/notification.schema.js';
import { NotificationService } from '../../notifications/notification.service.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, Summary } from '../../platform/http/contract.js';
import { type Page, pageOf } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import { CertificateView } from '../certificate.schema.js';
import { CertificateReader } from './certificate-reader.js';

const { user: Creator, domains: Domains } = CertificateView.shape;
const CreatorView = Creator.unwrap().meta({ id: 'Creator' });
type CreatorView = z.output<typeof CreatorView>;
const DomainsView = pageOf(Domains.element);
type DomainsView = z.output<typeof DomainsView>;

/**
 * Routes of the objects that are linked to a certificate: authority, creator, names, destinations and notifications.
 * The lists are short and have no pages.
 */
@Controller('certificates/:id')
export class LinkedController {
  constructor(
    private readonly reader: CertificateReader,
    private readonly authorities: AuthorityReader,
    private readonly destinationService: DestinationService,
    private readonly notificationService: NotificationService,
  ) {}

  @Get('authority')
  @Requires('authority:read')
  @Summary('Read the authority that issued a certificate', '404 if you may not see the authority.')
  @Answers(200, AuthorityView)
  async authority(@Who() actor: Actor, @Id() id: number): Promise<AuthorityView> {
    const { authority, name } = await this.reader.get(id);
    if (!authority) throw new Problem('not-found', `Certificate ${name} was not issued by an authority here.`);
    return this.authorities.see(actor, authority.id);
  }

  @Get('creator')
  @Requires('certificate:read')
  @Summary('Read the user who requested a certificate')
  @Answers(200, CreatorView)
  async creator(@Id() id: number): Promise<CreatorView> {
    const { user, name } = await this.reader.get(id);
    if (!user) throw new Problem('not-found', `Certificate ${name} was not requested by a user.`);
    return user;
  }

  @Get('domains')
  @Requires('certificate:read')
  @Summary('List the names in a certificate')
  @Answers(200, DomainsView)
  async domains(@Id() id: number): Promise<DomainsView> {
    return whole((await this.reader.get(id)).domains);
  }

  @Get('destinations')
  @Requires('destination:read')
  @Summary('List the destinations of a certificate')
  @Answers(200, pageOf(DestinationView))
  async destinations(@Who() actor: Actor, @Id() id: number): Promise<Page<DestinationView>> {
    const ids = (await this.reader.get(id)).destinations.map((destination) => destination.id);
    return whole(await this.destinationService.getMany(actor, ids));
  }

  @Get('notifications')
  @Requires('notification:read')
  @Summary('List the notifications of a certificate')
  @Answers(200, pageOf(NotificationView))
  async notifications(@Id() id: number): Promise<Page<NotificationView>> {
    const ids = (await this.reader.get(id)).notifications.map((notification) => notification.id);
    return whole(await this.notificationService.getMany(ids));
  }
}

function whole<T>(items: T[]): Page<T> {
  return { items, total: items.length };
}
