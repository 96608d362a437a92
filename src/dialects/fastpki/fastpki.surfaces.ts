import { parseJson } from '../../platform/http/body.js';
import { bearerAuthentication } from '../../platform/http/platform-surfaces.js';
import type { Surface } from '../../platform/http/surface.js';
import { fastApiError } from './fast-api-error.js';

/** Where FastPKI has its API. */
export const fastpkiPrefix = '/api/v1';

/** FastPKI's contract: JSON, and tokens in `Authorization`. */
export const fastpki: Surface = {
  prefix: fastpkiPrefix,
  parsers: { 'application/json': parseJson },
  maxBodyBytes: 256 * 1024,
  authenticator: bearerAuthentication,
  renderError: fastApiError,
  headers: {
    'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'cache-control': 'no-store',
  },
  audience: 'clients',
  ignoresTrailingSlash: true,
  logLevel: 'info',
};

/** The fields of a form; of a repeated field the last value. */
function parseForm(body: Buffer): object {
  return Object.fromEntries(new URLSearchParams(body.toString('utf8')));
}

/** Its sign-in, which takes a form. No cookie signs anybody in, so a form of another site cannot act for a user. */
export const fastpkiSignIn: Surface = {
  ...fastpki,
  prefix: `${fastpkiPrefix}/auth`,
  parsers: { 'application/json': parseJson, 'application/x-www-form-urlencoded': parseForm },
  maxBodyBytes: 16 * 1024,
};
