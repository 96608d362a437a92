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

/** What a certificate hangs on: each all of them at once, since what is linked with one certificate is few. */
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
  @Summary('The authority that issued a certificate', 'One that is not yours to see is not found.')
  @Answers(200, AuthorityView)
  async authority(@Who() actor: Actor, @Id() id: number): Promise<AuthorityView> {
    const { authority, name } = await this.reader.get(id);
    if (!authority) throw new Problem('not-found', `No authority here has issued certificate ${name}.`);
    return this.authorities.see(actor, authority.id);
  }

  @Get('creator')
  @Requires('certificate:read')
  @Summary('Who asked for a certificate')
  @Answers(200, CreatorView)
  async creator(@Id() id: number): Promise<CreatorView> {
    const { user, name } = await this.reader.get(id);
    if (!user) throw new Problem('not-found', `No user has asked for certificate ${name}.`);
    return user;
  }

  @Get('domains')
  @Requires('certificate:read')
  @Summary('The names in a certificate')
  @Answers(200, DomainsView)
  async domains(@Id() id: number): Promise<DomainsView> {
    return whole((await this.reader.get(id)).domains);
  }

  @Get('destinations')
  @Requires('destination:read')
  @Summary('Where a certificate is delivered')
  @Answers(200, pageOf(DestinationView))
  async destinations(@Who() actor: Actor, @Id() id: number): Promise<Page<DestinationView>> {
    const ids = (await this.reader.get(id)).destinations.map((destination) => destination.id);
    return whole(await this.destinationService.getMany(actor, ids));
  }

  @Get('notifications')
  @Requires('notification:read')
  @Summary('What warns of the end of a certificate')
  @Answers(200, pageOf(NotificationView))
  async notifications(@Id() id: number): Promise<Page<NotificationView>> {
    const ids = (await this.reader.get(id)).notifications.map((notification) => notification.id);
    return whole(await this.notificationService.getMany(ids));
  }
}

function whole<T>(items: T[]): Page<T> {
  return { items, total: items.length };
}
