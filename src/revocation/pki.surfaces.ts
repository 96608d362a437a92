import { publicPath } from '../authorities/public-urls.js';
import { type Problem, problems } from '../platform/http/problem.js';
import type { ErrorAnswer, Surface } from '../platform/http/surface.js';

/** An error as one line of text: clients here are programs that look at the status alone. */
function plainText(problem: Problem): ErrorAnswer {
  return {
    status: problems[problem.code].status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' },
    body: `${problem.detail}\n`,
  };
}

/** The public face of the CAs whose key is here: CRL, OCSP and CA certificates, for everybody. */
export const pki: Surface = {
  prefix: publicPath,
  parsers: { 'application/ocsp-request': (body) => body },
  maxBodyBytes: 16 * 1024,
  authenticator: null,
  renderError: plainText,
  headers: {
    'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    // Anybody may read these, pages of other sites too.
    'cross-origin-resource-policy': 'cross-origin',
  },
  audience: 'clients',
  logLevel: 'debug',
  limitsAddresses: true,
};
