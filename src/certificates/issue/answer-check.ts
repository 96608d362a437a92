import { Injectable, Logger } from '@nestjs/common';
import { Authorities, type LoadedAuthority } from '../../authorities/authorities.js';
import { AuthorityIssuers } from '../../authorities/authority-issuers.js';
import { isSignedBy, type ParsedCertificate, parseCertificate } from '../../pki/certificate.js';
import { checkIssued } from '../../pki/chain.js';
import { parseCsr } from '../../pki/csr.js';
import { PkiError } from '../../pki/pki-error.js';
import { serialDecimal } from '../../pki/serial.js';
import { Clock } from '../../platform/clock.js';
import { systemActor } from '../../platform/http/actor.js';
import { instant } from '../../platform/http/instant.js';
import { PluginError } from '../../plugin-api/errors.js';
import { limitedTo } from '../../plugin-api/time-limit.js';
import type { Certificate } from '../certificate.entity.js';
import { isExpected } from '../failure.js';
import { loadTerms } from '../terms.js';

const describeMs = 30_000;
/** How the refusal of an answer begins. */
export const mismatch = 'The issuer returned something else than was asked for';

/** The answer matches the request, but no known CA certificate of the authority signed it. */
class UnknownIssuer extends PluginError {}

/** The answer matches the request, but has expired: it is of no use to anybody, and another order is needed. */
export class ExpiredAnswer extends PluginError {}

/** Checks a certificate from an issuer: against the request, and against the CA certificates of the authority. */
@Injectable()
export class AnswerCheck {
  private readonly logger = new Logger('answer');

  constructor(
    private readonly authorities: Authorities,
    private readonly issuers: AuthorityIssuers,
    private readonly clock: Clock,
  ) {}

  /**
   * `chainPem` is leaf first. When no known CA certificate signed it, the CA is asked for its current ones and the
   * answer is checked again. Throws PluginError `refused`: ExpiredAnswer when nothing else is wrong.
   */
  async check(asked: Certificate, chainPem: readonly string[], signal?: AbortSignal): Promise<void> {
    const authorityId = asked.authorityId ?? 0;
    const loaded = await this.authorities.get(authorityId);
    try {
      await checkAnswer(asked, chainPem, loaded);
    } catch (error) {
      if (!(error instanceof UnknownIssuer) || !(await this.describe(loaded, signal))) throw error;
      await checkAnswer(asked, chainPem, await this.authorities.get(authorityId));
    }
    this.demandUnexpired(parseCertificate(chainPem[0] ?? ''));
  }

  private demandUnexpired({ serialHex, notAfter }: ParsedCertificate): void {
    if (notAfter > this.clock.now()) return;
    throw new ExpiredAnswer(
      'refused',
      `The issuer returned certificate ${serialDecimal(serialHex)}, which expired at ${instant(notAfter)}.`,
    );
  }

  /** Asks the CA for its certificates. False when it gave none. Never throws, because the answer must be kept. */
  private async describe({ plugin, authority }: LoadedAuthority, signal?: AbortSignal): Promise<boolean> {
    if (!plugin.describe || authority.keyId !== null) return false;
    try {
      const bounded = limitedTo(describeMs, ...(signal ? [signal] : []));
      await this.issuers.refresh(systemActor('issue'), authority.id, bounded);
      return true;
    } catch (error) {
      if (!isExpected(error)) this.logger.error(error);
      return false;
    }
  }
}

/** Throws PluginError `refused`, or its subclass UnknownIssuer when nothing else is wrong. */
async function checkAnswer(
  asked: Certificate,
  chainPem: readonly string[],
  { authority, issuers, plugin: { allows } }: LoadedAuthority,
): Promise<void> {
  const { csrPem, terms, notBefore, notAfter } = asked;
  try {
    const ask = {
      spkiDer: parseCsr(csrPem ?? '').spkiDer,
      terms: { ...loadTerms(terms), notBefore, notAfter },
      ...(allows && { allows }),
    };
    const chain = chainPem.map((pem) => parseCertificate(pem));
    await checkIssued(chain, ask);
    const cas = issuers.map(({ certificatePem }) => parseCertificate(certificatePem));
    if (await isBelow(cas, chain, allows?.subordinates)) return;
  } catch (error) {
    if (error instanceof PkiError) throw new PluginError('refused', `${mismatch}: ${error.message}`);
    throw error;
  }
  throw new UnknownIssuer(
    'refused',
    `${mismatch}: it is not signed by a certificate that authority ${authority.name} issues with`,
  );
}

/**
 * True when one of the CAs signed the leaf. With `subordinates`, a signature on any certificate of the chain is enough.
 * `chain` is leaf first. Throws PkiError when it has only the leaf.
 */
async function isBelow(
  cas: readonly ParsedCertificate[],
  chain: readonly ParsedCertificate[],
  subordinates = false,
): Promise<boolean> {
  if (chain.length < 2) throw new PkiError('chain-order', 'it came without its chain');
  for (const one of subordinates ? chain : chain.slice(0, 1))
    for (const ca of cas) if (await isSignedBy(one, ca)) return true;
  return false;
}
