import { parseJson } from './body.js';
import { problemJson } from './problem-json.js';
import type { Surface } from './surface.js';

/** Where the REST API begins. */
export const apiPrefix = '/api/1';
/** The page that shows the API, and the document that it shows. */
export const docsPath = `${apiPrefix}/docs`;
export const openApiPath = `${apiPrefix}/openapi.json`;

/** Where CAs fetch the answers to http-01 challenges (RFC 8555 §8.3). */
export const challengePath = '/.well-known/acme-challenge';

/** The Authenticator of login tokens and API keys in `Authorization`. */
export const bearerAuthentication = Symbol('bearer authentication');

/** The Authenticator of a user name and password in every request (RFC 7617). */
export const basicAuthentication = Symbol('basic authentication');

/** Bound of bodies from senders that are not known yet. */
const publicMaxBodyBytes = 16 * 1024;

const isolation = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const noContent = { 'content-security-policy': `default-src 'none'; ${isolation}` };
const notCached = { 'cache-control': 'no-store' };

/** What the surfaces that take no body have in common. */
const readOnly = {
  parsers: {},
  maxBodyBytes: publicMaxBodyBytes,
  authenticator: null,
  renderError: problemJson,
  headers: noContent,
  logLevel: 'info',
} as const;

const rest: Surface = {
  prefix: apiPrefix,
  parsers: { 'application/json': parseJson },
  maxBodyBytes: 1024 * 1024,
  authenticator: bearerAuthentication,
  renderError: problemJson,
  headers: { ...noContent, ...notCached },
  audience: 'clients',
  logLevel: 'info',
};

const signIn: Surface = { ...rest, prefix: `${apiPrefix}/auth`, maxBodyBytes: publicMaxBodyBytes };

/** The page carries inline styles and images as `data:`; its scripts and requests stay on this server. */
const apiDocs: Surface = {
  ...readOnly,
  prefix: docsPath,
  headers: {
    'content-security-policy': `default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; ${isolation}`,
    ...notCached,
  },
  audience: 'clients',
};

const health: Surface = { ...readOnly, prefix: '/health', audience: 'monitoring', logLevel: 'debug' };
const metrics: Surface = { ...readOnly, prefix: '/metrics', audience: 'monitoring', logLevel: 'debug' };
const problemPages: Surface = { ...readOnly, prefix: '/problems', audience: 'everyone' };
/** Whoever asks it guesses: a token is 128 bits or more, and the answer holds no secret. */
const challenges: Surface = {
  ...readOnly,
  prefix: challengePath,
  headers: { ...noContent, ...notCached },
  audience: 'clients',
};
const root: Surface = { ...readOnly, prefix: '/', headers: { ...noContent, ...notCached }, audience: 'clients' };

/** The surfaces that a server has whatever its features are. */
export const platformSurfaces: readonly Surface[] = [
  rest,
  signIn,
  apiDocs,
  health,
  metrics,
  problemPages,
  challenges,
  root,
];
