import { z } from 'zod';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import { quotable } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';
import { type AwsCredentials, queryText, signedHeaders } from './aws-signature.js';
import { textOf } from './xml.js';

/** Region, credentials and endpoint. Without keys the AWS SDK finds credentials on this machine. */
export interface AwsAccess extends Partial<AwsCredentials> {
  region: string;
  accessKeyId?: string | undefined;
  secretAccessKey?: string | undefined;
  /** Instead of Amazon's own. */
  endpoint?: string | undefined;
  timeoutS: number;
}

/** One service of AWS. */
export interface AwsServiceName {
  /** With which the text of an error begins. */
  name: string;
  /** As signatures name it. */
  signedAs: string;
  host: string;
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

/** An error of AWS; `code` is its own, without namespace and `Exception`, e.g. `ResourceNotFound`. */
export class AwsFailure extends PluginError {
  constructor(
    fault: PluginFault,
    detail: string,
    readonly code: string,
    readonly status: number,
  ) {
    super(fault, detail);
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
  'MissingAuthenticationToken',
  'NoSuchBucket',
  'NoSuchHostedZone',
  'OptInRequired',
  'PermanentRedirect',
  'SignatureDoesNotMatch',
  'UnrecognizedClient',
]);
const passing = new Set([
  'Conflict',
  'InvalidChangeBatch',
  'PriorRequestNotComplete',
  'RequestInProgress',
  'RequestTimeout',
  'TooManyRequests',
]);
const JsonError = z.object({
  __type: z.string().optional(),
  message: z.string().optional(),
  Message: z.string().optional(),
});

/** Host and port of a service in a region. */
export function hostIn(prefix: string, region: string): string {
  return `${prefix}.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

/** Signed requests to one service. Every method throws PluginError, AwsFailure for an error of AWS. */
export class AwsService {
  constructor(
    private readonly service: AwsServiceName,
    private readonly access: AwsAccess,
    private readonly ctx: PluginContext,
  ) {}

  /** An answer of a service that takes its actions as JSON (`x-amz-target`). */
  async json<T>(shape: z.ZodType<T>, target: string, input: object): Promise<T> {
    const answer = await this.send({
      method: 'POST',
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target },
      body: JSON.stringify(input),
    });
    const read = shape.safeParse(jsonOf(answer.body.toString('utf8')));
    if (read.success) return read.data;
    throw new PluginError('unavailable', `${this.service.name} answers ${target} with something that it should not.`);
  }

  /** An answer with a status from 200 to 299. */
  async send({ method = 'GET', path = '/', query = {}, headers = {}, body = '' }: AwsCall): Promise<FetchResponse> {
    const base = new URL(this.access.endpoint ?? `https://${this.service.host}`);
    const search = queryText(query);
    const { signedAs: service } = this.service;
    const { region } = this.access;
    const request = { method, host: base.host, path, query, headers, body };
    const credentials = await this.credentials();
    const answer = await this.ctx.site.fetch(`${base.origin}${path}${search ? `?${search}` : ''}`, {
      method,
      headers: signedHeaders(request, credentials, { region, service, now: this.ctx.now() }),
      ...(body.length > 0 && { body }),
      timeoutMs: this.access.timeoutS * 1000,
    });
    if (answer.status >= 200 && answer.status <= 299) return answer;
    throw this.failure(answer, credentials);
  }

  private async credentials(): Promise<AwsCredentials> {
    const { accessKeyId, secretAccessKey, sessionToken } = this.access;
    if (accessKeyId !== undefined && secretAccessKey !== undefined)
      return { accessKeyId, secretAccessKey, sessionToken };
    if (accessKeyId !== undefined || secretAccessKey !== undefined)
      throw new PluginError('misconfigured', 'Give both the access key id and the secret access key, or neither.');
    const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
    try {
      return await defaultProvider()();
    } catch {
      throw new PluginError('misconfigured', 'No access key is given, and this machine has no credentials for AWS.');
    }
  }

  private failure({ status, headers, body }: FetchResponse, { secretAccessKey, sessionToken = '' }: AwsCredentials) {
    const text = body.toString('utf8');
    const json = JsonError.safeParse(jsonOf(text)).data;
    const named = json?.__type ?? headers['x-amzn-errortype'] ?? textOf(text, 'Code') ?? '';
    const code = codeIn(String(named)) || (text.includes('<InvalidChangeBatch') ? 'InvalidChangeBatch' : '');
    const said = json?.message ?? json?.Message ?? textOf(text, 'Message') ?? '';
    // The words for a wrong signature repeat the headers that were signed, the session token among them.
    const words = code === 'SignatureDoesNotMatch' ? '' : quotable(said, [secretAccessKey, sessionToken]);
    return new AwsFailure(
      faultOf(code, status),
      `${this.service.name} answers with status ${status}${code ? ` (${code})` : ''}${words ? `: ${words}` : '.'}`,
      code,
      status,
    );
  }
}

/** The result, or null when AWS answers with one of these codes. */
export async function unlessAws<T>(work: Promise<T>, ...codes: readonly string[]): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof AwsFailure && codes.includes(error.code)) return null;
    throw error;
  }
}

/** `com.amazonaws.acm#ResourceNotFoundException:http://…` → `ResourceNotFound` */
function codeIn(name: string): string {
  return (name.split(':')[0] ?? '').replace(/^.*#/, '').replace(/Exception$/, '');
}

function faultOf(code: string, status: number): PluginFault {
  if (misconfigured.has(code)) return 'misconfigured';
  if (code === '' || passing.has(code) || /^Throttling/.test(code) || status >= 500 || status === 429)
    return 'unavailable';
  return status === 403 ? 'misconfigured' : 'refused';
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Throws PluginError `misconfigured` when the options name another account than that of the credentials. */
export async function demandAccount(
  access: AwsAccess & { accountNumber?: string | undefined },
  ctx: PluginContext,
): Promise<void> {
  if (access.accountNumber === undefined) return;
  const sts = new AwsService({ name: 'AWS STS', signedAs: 'sts', host: hostIn('sts', access.region) }, access, ctx);
  const answer = await sts.send({
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: queryText({ Action: 'GetCallerIdentity', Version: '2011-06-15' }),
  });
  const account = textOf(answer.body.toString('utf8'), 'Account');
  if (account !== access.accountNumber)
    throw new PluginError(
      'misconfigured',
      `The credentials belong to account ${account ?? 'unknown'}, not ${access.accountNumber}.`,
    );
}
