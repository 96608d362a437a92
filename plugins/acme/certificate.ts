import { PluginError } from '../../src/plugin-api/errors.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';
import { parseCertificate } from '../../src/pki/certificate.js';
import { splitCertificates } from '../../src/pki/pem.js';
import { PkiError } from '../../src/pki/pki-error.js';
import type { Account } from './account.js';

/** Alternates beyond these are not looked at. */
const mostAlternates = 10;

/**
 * Downloads a certificate with its chain, leaf first (RFC 8555 §7.4.2): the chain that leads to the root with the
 * common name `preferred` where the CA offers one, else the CA's default. Throws PluginError.
 */
export async function download(account: Account, url: string, preferred?: string): Promise<string[]> {
  const answer = await account.post(url);
  const chain = chainOf(answer);
  if (preferred === undefined || leadsTo(chain, preferred)) return chain;
  for (const alternate of alternatesOf(answer).slice(0, mostAlternates)) {
    const other = chainOf(await account.post(alternate));
    if (leadsTo(other, preferred)) return other;
  }
  account.client.ctx.log(`The CA offers no chain to ${preferred}; its default is used.`);
  return chain;
}

function chainOf({ body, url }: FetchResponse): string[] {
  try {
    const chain = splitCertificates(body.toString('utf8'));
    chain.forEach((pem) => parseCertificate(pem));
    return chain;
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    throw new PluginError('unavailable', `${url.host} answers something else than a certificate: ${error.message}.`);
  }
}

function leadsTo(chain: readonly string[], commonName: string): boolean {
  const top = chain.at(-1);
  return top !== undefined && parseCertificate(top).issuerFields.commonName === commonName;
}

/** The targets of `Link: <…>;rel="alternate"` (RFC 8288). */
function alternatesOf({ headers, url }: FetchResponse): string[] {
  const value = headers['link'];
  const links = (Array.isArray(value) ? value : [value ?? '']).flatMap((text) => text.split(/,(?=\s*<)/));
  return links.flatMap((link) => {
    const [, target, parameters = ''] = /^\s*<([^>]*)>(.*)$/.exec(link) ?? [];
    const isAlternate = /;\s*rel="?alternate"?(\s*;|\s*$)/i.test(parameters);
    return target !== undefined && isAlternate && URL.canParse(target, url.href) ? [new URL(target, url).href] : [];
  });
}
