import { ocspPath, publicPath } from '../authorities/public-urls.js';
import { type OcspError, ocspErrorResponse } from '../pki/ocsp-response.js';
import { type Problem, type ProblemCode, problems } from '../platform/http/problem.js';
import type { ErrorAnswer, Surface } from '../platform/http/surface.js';

/** An error as one line of text: clients here are programs that look at the status alone. */
function plainText(problem: Problem): ErrorAnswer {
  return {
    status: problems[problem.code].status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' },
    body: `${problem.detail}\n`,
  };
}

/** The public face of the CAs whose key is here: CRL and CA certificates, for everybody. */
export const pki: Surface = {
  prefix: publicPath,
  parsers: {},
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

/** The EarlyResponder of OCSP. */
export const earlyOcsp = Symbol('OCSP responder');

/** Every other fault of a request makes it malformed. */
const ocspErrors: Partial<Record<ProblemCode, OcspError>> = {
  'not-found': 'unauthorized',
  'too-many-requests': 'tryLater',
  unavailable: 'tryLater',
  internal: 'internalError',
};

/** An error for clients, which read the body (RFC 6960 §4.2.1), and for proxies, which look at the status. */
function ocspError({ code }: Problem): ErrorAnswer {
  return {
    status: problems[code].status,
    headers: { 'content-type': 'application/ocsp-response', 'cache-control': 'no-store' },
    body: ocspErrorResponse(ocspErrors[code] ?? 'malformedRequest'),
  };
}

/** The OCSP responder of these CAs. */
export const ocsp: Surface = {
  ...pki,
  prefix: ocspPath,
  parsers: { 'application/ocsp-request': (body) => body },
  renderError: ocspError,
  early: earlyOcsp,
};
