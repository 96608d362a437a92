import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import { HttpFailure, JsonClient } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { connectionOf } from '../../src/plugin-api/service-options.js';
import type { CfsslOptions } from './cfssl.options.js';

const ErrorBody = z.object({ errors: z.array(z.object({ code: z.int(), message: z.string() })).min(1) });
const Certificate = z.object({ result: z.object({ certificate: z.string().min(1) }) });
const Done = z.object({ success: z.literal(true) });

/** The names of CFSSL for the CRLReason codes of RFC 5280 §5.3.1. */
const reasons: Readonly<Record<number, string>> = {
  0: 'unspecified',
  1: 'keycompromise',
  2: 'cacompromise',
  3: 'affiliationchanged',
  4: 'superseded',
  5: 'cessationofoperation',
  6: 'certificatehold',
  9: 'privilegewithdrawn',
  10: 'aacompromise',
};
/** Policy errors (5xxx) but 55xx, a name that the profile does not allow, are those of the server's configuration. */
const isOfPolicy = (code: number): boolean => code >= 5000 && code < 5500;
const misconfiguredWords = /invalid token|no authentication provider|invalid policy|bad label/i;
const missingParameter = /missing parameter/;
/** What it means that the server does not serve an endpoint. */
const absent = {
  info: 'There is no CFSSL server at this address.',
  sign: 'CFSSL takes only authenticated requests: give the HMAC key.',
  authsign: 'CFSSL takes no authenticated requests: its signing profiles have no key.',
  revoke: 'CFSSL does not revoke: start it with -db-config.',
};

/** The HTTP API of a CFSSL server. Every method throws PluginError. */
export class CfsslClient {
  private readonly api: JsonClient;

  constructor(
    private readonly options: CfsslOptions,
    ctx: PluginContext,
  ) {
    const { url, hmacKey } = options;
    this.api = new JsonClient(ctx.site, {
      name: 'CFSSL',
      baseUrl: url,
      connection: connectionOf(options),
      secrets: [hmacKey ?? ''],
      wordsOf,
    });
  }

  /** The certificate with which the server signs, PEM. */
  async signerPem(): Promise<string> {
    const { label = '', profile = '' } = this.options;
    return (await this.call(Certificate, 'info', { label, profile })).result.certificate;
  }

  /** The certificate, PEM. The names of the CSR are certified; the profile decides on all else. */
  async sign(csrPem: string): Promise<string> {
    const { label, profile } = this.options;
    const request = { certificate_request: csrPem, ...(label && { label }), ...(profile && { profile }) };
    return (await this.submit(request)).result.certificate;
  }

  /** Has the HMAC key checked by a request without a CSR, which signs nothing. */
  async tryKey(): Promise<void> {
    const { label, profile } = this.options;
    try {
      await this.submit({ certificate_request: '', ...(label && { label }), ...(profile && { profile }) });
    } catch (error) {
      if (!(error instanceof HttpFailure && missingParameter.test(error.detail))) throw error;
    }
  }

  /** `serial` is decimal, `authorityKeyId` lower-case hex. Done again, it changes nothing but the time. */
  async revoke(serial: string, authorityKeyId: string, reason: number): Promise<void> {
    const name = reasons[reason];
    if (name === undefined) throw new PluginError('refused', `CFSSL does not know the revocation reason ${reason}.`);
    const json = { serial, authority_key_id: authorityKeyId, reason: name };
    await this.call(Done, 'revoke', json);
  }

  private submit(request: object): Promise<z.infer<typeof Certificate>> {
    const { hmacKey } = this.options;
    if (hmacKey === undefined) return this.call(Certificate, 'sign', request);
    const body = Buffer.from(JSON.stringify(request));
    const token = createHmac('sha256', Buffer.from(hmacKey, 'hex')).update(body).digest('base64');
    return this.call(Certificate, 'authsign', { token, request: body.toString('base64') });
  }

  /**
   * CFSSL answers with status 400 whatever is wrong; the code or the words tell who must act. What its configuration
   * does not allow it does not serve at all.
   */
  private async call<T>(shape: z.ZodType<T>, endpoint: keyof typeof absent, json: object): Promise<T> {
    try {
      return await this.api.json(shape, { path: `/api/v1/cfssl/${endpoint}`, json });
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
      if (isNotServed(error)) throw new PluginError('misconfigured', absent[endpoint]);
      if (error.answer.status !== 400) throw error;
      throw new HttpFailure(faultOf(error), error.detail, error.answer);
    }
  }
}

/** Go's own answer for a path that is not served is text. */
function isNotServed({ answer: { status, text } }: HttpFailure): boolean {
  return status === 404 && text.startsWith('404 page not found');
}

function faultOf({ answer, fault }: HttpFailure): PluginFault {
  const read = ErrorBody.safeParse(answer.body);
  const [first] = read.success ? read.data.errors : [];
  return first && (isOfPolicy(first.code) || misconfiguredWords.test(first.message)) ? 'misconfigured' : fault;
}

function wordsOf(body: unknown): string | undefined {
  const read = ErrorBody.safeParse(body);
  return read.success ? read.data.errors.map(({ code, message }) => `${message} (code ${code})`).join('; ') : undefined;
}
