import { type DynamicModule, Global, Module } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { AnyPlugin } from '../plugin-api/any-plugin.js';
import { Clock } from './clock.js';
import { Config, ConfigError } from './config.js';
import { Database } from './db/database.js';
import { KeptFacts } from './db/kept-facts.js';
import { IdempotentRequests } from './http/idempotent-requests.js';
import { HttpModule } from './http/http.module.js';
import type { Surfaces } from './http/surfaces.js';
import { KeyMaker } from './key-maker.js';
import { KnownBadKeys } from './known-bad-keys.js';
import { KeyStore } from './keys/key-store.js';
import { Pkcs11Keys } from './keys/pkcs11-keys.js';
import { Pkcs11Token } from './keys/pkcs11-token.js';
import { SigningKeys } from './keys/signing-keys.js';
import { Log } from './log.js';
import { Mailer } from './mail/mailer.js';
import { MailRepository } from './mail/mail.repository.js';
import { MailsController } from './mail/mails.controller.js';
import { DnsLookup } from './net/dns-lookup.js';
import { GuardedAgents } from './net/guarded-agent.js';
import { ServedCertificates } from './net/served-certificate.js';
import { Webroot } from './net/webroot.js';
import { ConfiguredPlugins } from './plugins/configured-plugin.js';
import { PluginContexts } from './plugins/plugin-context.js';
import { PluginsController } from './plugins/plugins.controller.js';
import { PluginRegistry } from './plugins/registry.js';
import { PluginSite } from './plugins/site.js';
import { KeyRing } from './secrets/key-ring.js';
import { SealedValues } from './secrets/sealed-values.js';

/** What is made before the application. */
export interface Foundations {
  config: Config;
  log: Log;
  source: DataSource;
  keyRing: KeyRing;
  clock: Clock;
  plugins: readonly AnyPlugin[];
  surfaces: Surfaces;
}

/** Access to the outside for every feature: settings, database, HTTP, mail, network, secrets, plugins. */
@Global()
@Module({})
export class PlatformModule {
  /** Throws ConfigError when a setting names no plugin, and as `PluginRegistry` does. */
  static on({ config, log, source, keyRing, clock, plugins, surfaces }: Foundations): DynamicModule {
    const registry = new PluginRegistry(plugins);
    demandIssuer(registry, config.defaultIssuerPlugin);
    const services = [
      KeptFacts,
      Mailer,
      MailRepository,
      GuardedAgents,
      ServedCertificates,
      IdempotentRequests,
      KeyMaker,
      KnownBadKeys,
      SealedValues,
      PluginSite,
      PluginContexts,
      ConfiguredPlugins,
      DnsLookup,
      Webroot,
    ];
    const given = [
      { provide: Config, useValue: config },
      { provide: Log, useValue: log },
      { provide: Database, useValue: new Database(source) },
      { provide: KeyRing, useValue: keyRing },
      { provide: Clock, useValue: clock },
      { provide: PluginRegistry, useValue: registry },
    ];
    return {
      module: PlatformModule,
      imports: [HttpModule.serving(surfaces)],
      controllers: [MailsController, PluginsController],
      providers: [...given, ...services, Pkcs11Token, Pkcs11Keys, { provide: KeyStore, useClass: SigningKeys }],
      exports: [...given.map(({ provide }) => provide), ...services, KeyStore],
    };
  }
}

function demandIssuer(registry: PluginRegistry, name: string | undefined): void {
  if (name === undefined || registry.find('issuer', name)) return;
  const ids = registry.list('issuer').map(({ id }) => id);
  throw new ConfigError([`DEFAULT_ISSUER_PLUGIN: must be the id of an issuer plugin: ${ids.join(', ')}`]);
}
