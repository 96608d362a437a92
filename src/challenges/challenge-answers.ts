import { Injectable, Logger } from '@nestjs/common';
import type { ChallengeAnswer, Challenges, ChallengeType, Presented } from '../plugin-api/challenges.js';
import { asMisconfigured, PluginError } from '../plugin-api/errors.js';
import { acmeTlsServerName } from '../pki/acme-tls.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { DnsLookup } from '../platform/net/dns-lookup.js';
import { Webroot } from '../platform/net/webroot.js';
import type { Challenge } from './challenge.entity.js';
import { removeChallenge } from './challenge.jobs.js';
import { ChallengeRepository } from './challenge.repository.js';
import { DnsProviders } from './dns-providers.js';

/** An answer that nobody withdraws is removed so long after it was last presented. */
const lastsMs = 3_600_000;
/** The CA is told to look although not every name server shows the record: it has the last word. */
const patienceMs = 1_800_000;
const ttlS = 60;
/** The alphabet of base64url: a token becomes the name of a file. */
const keyAuthorization = /^([A-Za-z0-9_-]{1,200})\.[A-Za-z0-9_-]{1,200}$/;

/**
 * Publishes answers to challenges. A row is written before anything is published, so that the answer is removed
 * whatever happens.
 */
@Injectable()
export class ChallengeAnswers {
  private readonly logger = new Logger('challenges');

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly repository: ChallengeRepository,
    private readonly providers: DnsProviders,
    private readonly dns: DnsLookup,
    private readonly webroot: Webroot,
    private readonly config: Config,
  ) {}

  /** For one call of an issuer, which `signal` ends. */
  forCall(signal: AbortSignal): Challenges {
    return {
      canPresent: (type, domain) => this.canPresent(type, domain, signal),
      present: (answer) => this.present(answer, signal),
      withdraw: (answer) => this.withdraw(answer),
    };
  }

  /** The content of an http-01 answer; null when no such token is known. */
  httpAnswer(token: string): Promise<string | null> {
    return this.repository.findHttp(this.db.single, token);
  }

  /** Removes an answer that is no longer needed. Throws PluginError. */
  async remove(challenge: Challenge, signal: AbortSignal): Promise<void> {
    if (challenge.type === 'http-01') {
      await this.webroot.remove(challenge.place);
    } else if (challenge.type === 'dns-01') {
      const provider = await this.providers.get(challenge.dnsProviderId ?? 0);
      // A process died while it published: the service tells by the same answer how the record is removed.
      const ref = challenge.recordRef ?? (await this.providers.present(provider, recordOf(challenge), signal)).ref;
      await this.providers.remove(provider, { ref }, signal);
    }
    await this.repository.removed(this.db.single, challenge);
  }

  private async canPresent(type: ChallengeType, domain: string, signal: AbortSignal): Promise<boolean> {
    if (type === 'http-01') return true;
    if (type === 'tls-alpn-01') return this.config.tlsAlpnListen !== undefined;
    return (await this.providers.findFor(await this.recordName(domain, signal), signal)) !== null;
  }

  private async present(answer: ChallengeAnswer, signal: AbortSignal): Promise<Presented> {
    const removeAt = this.later(lastsMs);
    const challenge =
      (await this.repository.keep(this.db.single, answer, removeAt)) ??
      (await this.repository.add(this.db.single, {
        ...answer,
        ...(await this.placeOf(answer, signal)),
        removeAt,
        createdAt: this.clock.now(),
      }));
    const presentedAt = challenge.presentedAt ?? (await this.publish(challenge, signal));
    if (challenge.type === 'http-01') return 'visible';
    if (challenge.type === 'tls-alpn-01') return this.tlsShows(challenge);
    if (await this.dns.showsTxt(challenge.place, challenge.value, signal)) return 'visible';
    if (this.clock.now().getTime() - presentedAt.getTime() < patienceMs) return 'published';
    this.logger.warn(`The TXT record ${challenge.place} is not at every name server after half an hour.`);
    return 'visible';
  }

  private async tlsShows({ id, place }: Challenge): Promise<Presented> {
    const shown = await this.repository.findTls(this.db.single, place, this.clock.now());
    return shown?.id === id ? 'visible' : 'published';
  }

  private async withdraw(answer: ChallengeAnswer): Promise<void> {
    await this.db.write(async (tx) => {
      const challengeId = await this.repository.endNow(tx, answer, this.clock.now());
      if (challengeId !== null) await removeChallenge.enqueue(tx, { challengeId });
    });
  }

  private async publish(challenge: Challenge, signal: AbortSignal): Promise<Date> {
    let ref: string | null = null;
    if (challenge.type === 'http-01') {
      await this.webroot.put(challenge.place, challenge.value);
    } else if (challenge.type === 'dns-01') {
      const provider = await this.providers.get(challenge.dnsProviderId ?? 0);
      ({ ref } = await this.providers.present(provider, recordOf(challenge), signal).catch(asMisconfigured));
    }
    const now = this.clock.now();
    await this.repository.presented(this.db.single, challenge.id, now, ref);
    return now;
  }

  /** Where the answer goes. Throws PluginError. */
  private async placeOf(
    { type, domain, value }: ChallengeAnswer,
    signal: AbortSignal,
  ): Promise<Pick<Challenge, 'place' | 'dnsProviderId'>> {
    if (type === 'http-01') {
      const token = keyAuthorization.exec(value)?.[1];
      if (token === undefined) throw new PluginError('refused', 'The CA sent a token that is no base64url.');
      return { place: token, dnsProviderId: null };
    }
    if (type === 'tls-alpn-01') {
      if (this.config.tlsAlpnListen === undefined)
        throw new PluginError('misconfigured', 'Answers to tls-alpn-01 challenges need TLS_ALPN_LISTEN.');
      return { place: acmeTlsServerName(domain), dnsProviderId: null };
    }
    const place = await this.recordName(domain, signal);
    const provider = await this.providers.findFor(place, signal);
    if (provider) return { place, dnsProviderId: provider.id };
    throw new PluginError('misconfigured', `No DNS provider has a zone for ${place}: add one under /dns_providers.`);
  }

  private recordName(domain: string, signal: AbortSignal): Promise<string> {
    return this.dns.followAliases(`_acme-challenge.${domain}`, signal);
  }

  private later(ms: number): Date {
    return new Date(this.clock.now().getTime() + ms);
  }
}

function recordOf({ place, value }: Challenge): { name: string; value: string; ttlS: number } {
  return { name: place, value, ttlS };
}
