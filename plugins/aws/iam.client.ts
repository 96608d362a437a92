import type { Agent as HttpsAgent } from 'node:https';
import type { IAM, IAMClientConfig, UploadServerCertificateRequest } from '@aws-sdk/client-iam';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import { quotable } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { type AwsAccess, forgetLapsed, withCredentials } from './aws-credentials.js';
import { AwsFailure } from './aws-request.js';

/** A server certificate as IAM returns it: never with its key. */
export interface HeldCertificate {
  arn: string;
  bodyPem: string;
  /** Issuers in order; empty when it was uploaded without a chain. */
  chainPem: string;
  /** IAM's id, e.g. `ASCA…`. */
  id: string;
  tags: Readonly<Record<string, string>>;
}

/** An entry in a list of server certificates. */
export interface ListedCertificate {
  name: string;
  arn: string;
  id: string;
}

const CONNECT_TIMEOUT_MS = 10_000;

const NEEDS_A_PERSON = new Set([
  'AccessDenied',
  'ExpiredToken',
  'IncompleteSignature',
  'InvalidAction',
  'InvalidClientTokenId',
  'MissingAuthenticationToken',
  'OptInRequired',
  'SignatureDoesNotMatch',
  'UnrecognizedClient',
]);
const FINAL = new Set(['InvalidInput', 'KeyPairMismatch', 'MalformedCertificate', 'ValidationError']);

const ADVICE = new Map([
  [
    'LimitExceeded',
    'The quota of server certificates is used up: delete unused ones or ask Amazon for a higher quota.',
  ],
  ['DeleteConflict', 'The certificate is still in use.'],
  ['SignatureDoesNotMatch', 'The secret access key does not belong to the access key id, or the region is wrong.'],
]);

/** The server certificates of one AWS account. Every method throws PluginError. Call `close` at the end. */
export class IamCertificates {
  private constructor(
    private readonly iam: IAM,
    private readonly access: AwsAccess,
    private readonly signal: AbortSignal,
  ) {}

  /** Loads the SDK, which takes tens of milliseconds the first time. Makes no request. */
  static async open(access: AwsAccess, ctx: PluginContext): Promise<IamCertificates> {
    const configuration = configurationOf(access, ctx);
    const sdk = await import('@aws-sdk/client-iam');
    return new IamCertificates(new sdk.IAM(configuration), access, ctx.signal);
  }

  /**
   * Returns the ARN. `iamCode` of the error distinguishes a taken name (`EntityAlreadyExists`) from a full account
   * (`LimitExceeded`).
   */
  async upload(entry: UploadServerCertificateRequest): Promise<string> {
    const { ServerCertificateMetadata: metadata } = await this.call((options) =>
      this.iam.uploadServerCertificate(entry, options),
    );
    return required(metadata?.Arn);
  }

  /** Null when IAM does not know the name, or not yet: reads lag behind writes. */
  async find(name: string): Promise<HeldCertificate | null> {
    try {
      const { ServerCertificate: held } = await this.call((options) =>
        this.iam.getServerCertificate({ ServerCertificateName: name }, options),
      );
      return {
        arn: required(held?.ServerCertificateMetadata?.Arn),
        bodyPem: required(held?.CertificateBody),
        chainPem: held?.CertificateChain ?? '',
        id: required(held?.ServerCertificateMetadata?.ServerCertificateId),
        tags: Object.fromEntries(
          (held?.Tags ?? []).map(({ Key: key, Value: value }) => [required(key), required(value)]),
        ),
      };
    } catch (error) {
      if (iamCode(error) === 'NoSuchEntity') return null;
      throw error;
    }
  }

  /** Succeeds when the name does not exist. */
  async delete(name: string): Promise<void> {
    try {
      await this.call((options) => this.iam.deleteServerCertificate({ ServerCertificateName: name }, options));
    } catch (error) {
      if (iamCode(error) !== 'NoSuchEntity') throw error;
    }
  }

  /** The ARN of any certificate of the account; undefined when there is none. */
  async anyArn(): Promise<string | undefined> {
    const { ServerCertificateMetadataList: list } = await this.call((options) =>
      this.iam.listServerCertificates({ MaxItems: 1 }, options),
    );
    return list?.[0]?.Arn;
  }

  /** All certificates whose path starts with `pathPrefix`, in IAM's order. */
  async *list(pathPrefix: string): AsyncGenerator<ListedCertificate> {
    let marker: string | undefined;
    do {
      const page = await this.call((options) =>
        this.iam.listServerCertificates(
          { PathPrefix: pathPrefix, MaxItems: 1000, ...(marker !== undefined && { Marker: marker }) },
          options,
        ),
      );
      for (const one of page.ServerCertificateMetadataList ?? [])
        yield {
          name: required(one.ServerCertificateName),
          arn: required(one.Arn),
          id: required(one.ServerCertificateId),
        };
      // A page may be short or empty and still not be the last.
      marker = page.IsTruncated === true ? required(page.Marker) : undefined;
    } while (marker !== undefined);
  }

  close(): void {
    // With an endpoint the sockets belong to the agent of `site`.
    if (this.access.endpoint === undefined) this.iam.destroy();
  }

  private async call<T>(work: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
    try {
      return await work({ abortSignal: this.signal });
    } catch (error) {
      throw error instanceof PluginError ? error : translated(error, this.access);
    }
  }
}

/** Opens IAM, runs `work`, closes IAM. */
export async function withIam<T>(
  access: AwsAccess,
  ctx: PluginContext,
  work: (iam: IamCertificates) => Promise<T>,
): Promise<T> {
  const iam = await IamCertificates.open(access, ctx);
  try {
    return await work(iam);
  } finally {
    iam.close();
  }
}

/** IAM's error code, e.g. `NoSuchEntity`; undefined when the error is not a response of IAM. */
export function iamCode(error: unknown): string | undefined {
  return error instanceof AwsFailure ? error.code : undefined;
}

function configurationOf(access: AwsAccess, ctx: PluginContext): IAMClientConfig {
  const { region, endpoint, timeoutS } = access;
  return {
    region,
    maxAttempts: 2,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: timeoutS * 1000,
      throwOnRequestTimeout: true,
      ...(endpoint !== undefined && agentsFor(new URL(endpoint), ctx)),
    },
    ...(endpoint !== undefined && { endpoint }),
    credentials: () =>
      withCredentials(access, ctx, ({ sessionToken, ...pair }) =>
        Promise.resolve({ ...pair, ...(sessionToken !== undefined && { sessionToken }) }),
      ),
  };
}

function agentsFor(url: URL, ctx: PluginContext): object {
  const agent = ctx.site.agentFor(url);
  return url.protocol === 'https:' ? { httpsAgent: agent as HttpsAgent } : { httpAgent: agent };
}

/**
 * Retries every error that is not known to need a person: a vain attempt is cheaper than a certificate that is never
 * delivered. The SDK's error is not kept as `cause`, because it may repeat the request.
 */
function translated(error: unknown, access: AwsAccess): PluginError {
  const { secretAccessKey = '', sessionToken = '' } = access;
  const text = quotable(error instanceof Error ? error.message : '', [secretAccessKey, sessionToken]);
  if (!(error instanceof Error && '$fault' in error))
    return new PluginError('unavailable', `The request to Amazon IAM failed: ${text}`);
  const code = error.name.replace(/Exception$/, '');
  const fault = forgetLapsed(access, code) ? 'unavailable' : faultOf(code);
  // The text for a wrong signature repeats the signed headers, including the session token.
  const words = [`Amazon IAM answered ${code}`, code === 'SignatureDoesNotMatch' ? '' : text, ADVICE.get(code)];
  return new AwsFailure(fault, words.filter(Boolean).join(': '), { code });
}

function faultOf(code: string): PluginFault {
  return NEEDS_A_PERSON.has(code) ? 'misconfigured' : FINAL.has(code) ? 'refused' : 'unavailable';
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new PluginError('unavailable', 'The answer of Amazon IAM is incomplete.');
  return value;
}
