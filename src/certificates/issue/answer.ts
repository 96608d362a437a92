import type { LoadedAuthority } from '../../authorities/authorities.js';
import { isSignedBy, type ParsedCertificate, parseCertificate } from '../../pki/certificate.js';
import { checkIssued } from '../../pki/chain.js';
import { parseCsr } from '../../pki/csr.js';
import { PkiError } from '../../pki/pki-error.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { Certificate } from '../certificate.entity.js';
import { loadTerms } from '../terms.js';

/**
 * Holds what came back for a request against what was asked for and against the certificates that the authority
 * issues with. `chainPem` is leaf first. Throws PluginError `refused`, whoever brought it.
 */
export async function checkAnswer(
  asked: Certificate,
  chainPem: readonly string[],
  { issuers, plugin: { allows } }: LoadedAuthority,
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
    await checkLeadsTo(
      issuers
        .flatMap(({ certificatePem, chainPem: above }) => [certificatePem, ...above])
        .map((pem) => parseCertificate(pem)),
      chain,
    );
  } catch (error) {
    if (error instanceof PkiError)
      throw new PluginError('refused', `The issuer returned something else than was asked for: ${error.message}`);
    throw error;
  }
}

/** Demands that the chain, leaf first, contains one of the CAs or ends below one. Throws PkiError `chain-order`. */
async function checkLeadsTo(
  cas: readonly ParsedCertificate[],
  [leaf, ...issuers]: readonly ParsedCertificate[],
): Promise<void> {
  const top = issuers.at(-1);
  if (!leaf || !top) throw new PkiError('chain-order', 'it came without its chain');
  for (const ca of cas) if (issuers.some((issuer) => issuer.der.equals(ca.der)) || (await isSignedBy(top, ca))) return;
  throw new PkiError('chain-order', 'the chain does not lead to a certificate that the authority issues with');
}
