import { z } from 'zod';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import { quotable } from '../../src/plugin-api/json-client.js';
import { retryAfterOf } from '../../src/plugin-api/retry-after.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';
import { type AwsCredentials, queryText, signedHeaders } from './aws-signature.js';
import { textOf } from './xml.js';

/** One service of AWS in one region. */
export interface AwsServiceName {
  /** With which the text of an error begins. */
  name: string;
  /** As signatures name it. */
  signedAs: string;
  host: string;
  region: string;
}

export interface AwsCall {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Percent-encoded. */
  path?: string;
  query?: Readonly<Record<string, string>>;
  /** Names in lower case. */
  headers?: Readonly<Record<string, string>>;
  body?: Buffer | string;
}

/** Where and how a request goes. Without an endpoint it goes to the host of the service. */
export interface AwsRoute {
  service: AwsServiceName;
  credentials: AwsCredentials;
  endpoint?: string | undefined;
  timeoutS: number;
}

/** An error of AWS; `code` is its own, without namespace and `Exception`, e.g. `ResourceNotFound`. */
export class AwsFailure extends PluginError {
  readonly code: string;

  constructor(fault: PluginFault, detail: string, answer: { code: string; retryAfterS?: number }) {
    super(fault, detail, answer.retryAfterS);
    this.code = answer.code;
  }
}

/** Errors after which a person must change credentials, rights or options. */
const misconfigured = new Set([
  'AccessDenied',
  'AuthorizationHeaderMalformed',
  'ExpiredToken',
  'IncompleteSignature',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidSignature',
  'LimitExceeded',
  'ListenerNotFound',
  'LoadBalancerNotFound',
  'MissingAuthenticationToken',
  'NoSuchBucket',
  'NoSuchDistribution',
  'NoSuchHostedZone',
  'OptInRequired',
  'PermanentRedirect',
  'SignatureDoesNotMatch',
  'UnrecognizedClient',
]);
const passing = new Set([
  // A certificate that was just uploaded to IAM is not known everywhere yet.
  'CertificateNotFound',
  'Conflict',
  'InvalidChangeBatch',
  'InvalidIfMatchVersion',
  'PreconditionFailed',
  'PriorRequestNotComplete',
  'RequestInProgress',
  'RequestTimeout',
  'TooManyRequests',
]);
/** A page of a list with all its members. */
const mostBytes = 8 * 1024 * 1024;
const JsonError = z.object({
  __type: z.string().optional(),
  message: z.string().optional(),
  Message: z.string().optional(),
});

/** A service that each region has for itself, at the host that AWS documents. */
export function serviceIn(region: string, name: string, signedAs: string): AwsServiceName {
  const host = `${signedAs}.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
  return { name, signedAs, host, region };
}

/** Signs and sends one request. An answer with a status from 200 to 299; else throws AwsFailure. */
export async function sendSigned(
  { method = 'GET', path = '/', query = {}, headers = {}, body = '' }: AwsCall,
  { service, credentials, endpoint, timeoutS }: AwsRoute,
  ctx: PluginContext,
): Promise<FetchResponse> {
  const base = new URL(endpoint ?? `https://${service.host}`);
  const search = queryText(query);
  const request = { method, host: base.host, path, query, headers, body };
  const scope = { region: service.region, service: service.signedAs, now: ctx.now() };
  const answer = await ctx.site.fetch(`${base.origin}${path}${search ? `?${search}` : ''}`, {
    method,
    headers: signedHeaders(request, credentials, scope),
    ...(body.length > 0 && { body }),
    maxBytes: mostBytes,
    timeoutMs: timeoutS * 1000,
  });
  if (answer.status >= 200 && answer.status <= 299) return answer;
  throw failureOf(answer, service.name, credentials);
}

/** A call of a service with the Query protocol: a form in, XML out. */
export function queryCall(action: string, version: string, parameters: Readonly<Record<string, string>>): AwsCall {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: queryText({ Action: action, Version: version, ...parameters }),
  };
}

function failureOf(
  { status, headers, body }: FetchResponse,
  service: string,
  { secretAccessKey, sessionToken = '' }: AwsCredentials,
): AwsFailure {
  const text = body.toString('utf8');
  const json = JsonError.safeParse(jsonOf(text)).data;
  const named = json?.__type ?? headers['x-amzn-errortype'] ?? textOf(text, 'Code') ?? '';
  const code = codeIn(String(named)) || (text.includes('<InvalidChangeBatch') ? 'InvalidChangeBatch' : '');
  const said = json?.message ?? json?.Message ?? textOf(text, 'Message') ?? '';
  // The words for a wrong signature repeat the headers that were signed, the session token among them.
  const words = code === 'SignatureDoesNotMatch' ? '' : quotable(said, [secretAccessKey, sessionToken]);
  const retryAfterS = retryAfterOf({ headers });
  return new AwsFailure(
    faultOf(code, status),
    `${service} answers with status ${status}${code ? ` (${code})` : ''}${words ? `: ${words}` : '.'}`,
    { code, ...(retryAfterS !== undefined && { retryAfterS }) },
  );
}

/** `com.amazonaws.acm#ResourceNotFoundException:http://…` → `ResourceNotFound` */
function codeIn(name: string): string {
  return (name.split(':')[0] ?? '').replace(/^.*#/, '').replace(/Exception$/, '');
}

function faultOf(code: string, status: number): PluginFault {
  if (misconfigured.has(code) || /^KMS(?:AccessDenied|Disabled|InvalidState|NotFound)$/.test(code))
    return 'misconfigured';
  if (code === '' || passing.has(code) || /^(?:KMS)?Throttl/.test(code) || status >= 500 || status === 429)
    return 'unavailable';
  return status === 403 ? 'misconfigured' : 'refused';
}

/** The JSON of a text; undefined when it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
