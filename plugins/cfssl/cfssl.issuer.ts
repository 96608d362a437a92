import { parseCertificate } from '../../src/pki/certificate.js';
import { certificatesIn, chainForKey } from '../../src/pki/issued-chain.js';
import { PkiError } from '../../src/pki/pki-error.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineIssuer } from '../../src/plugin-api/issuer.js';
import { CfsslClient } from './cfssl.client.js';
import { options } from './cfssl.options.js';

/** A CFSSL server. It answers at once and knows no orders: a request whose answer is lost is signed again. */
export const cfssl = defineIssuer({
  id: 'cfssl-issuer',
  title: 'CFSSL',
  description: 'Has requests signed by a CFSSL server, authenticated by HMAC.',
  options,
  answers: 'later',
  // The signing profile sets the dates.
  allows: { ownValidity: true },

  async check(o, ctx) {
    const client = new CfsslClient(o, ctx);
    await client.signerPem();
    await client.tryKey();
  },

  async order({ request, authority }, o, ctx) {
    const client = new CfsslClient(o, ctx);
    // First, so that nothing can fail once the certificate exists.
    const issuer = readable(await client.signerPem());
    const leaf = readable(await client.sign(request.csrPem));
    const knownPem = [authority.certificatePem, ...authority.chainPem];
    const chainPem = await chainForKey({ certificates: [...leaf, ...issuer], spkiDer: request.spkiDer, knownPem });
    return { status: 'issued', chainPem };
  },

  async revoke({ chainPem: [leafPem = ''], reason }, o, ctx) {
    const { serialDecimal, authorityKeyIdentifier = '' } = parseCertificate(leafPem);
    await new CfsslClient(o, ctx).revoke(serialDecimal, authorityKeyIdentifier.toLowerCase(), reason);
  },

  async describe(o, ctx) {
    return { issuers: [{ chainPem: [await new CfsslClient(o, ctx).signerPem()] }] };
  },
});

function readable(pem: string): ReturnType<typeof certificatesIn> {
  try {
    return certificatesIn(Buffer.from(pem));
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    throw new PluginError('unavailable', `What CFSSL sent as a certificate is not readable: ${error.message}.`);
  }
}
