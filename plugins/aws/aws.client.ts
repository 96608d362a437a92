import { setTimeout } from 'node:timers/promises';
import type { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';
import { type AwsAccess, withCredentials } from './aws-credentials.js';
import { type AwsCall, AwsFailure, type AwsServiceName, jsonOf, queryCall, sendSigned } from './aws-request.js';

const throttled = /^Throttl|^RequestLimitExceeded$|^TooManyRequests$|^SlowDown$/;

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

  /** The XML of a service that takes its actions as a form (the Query protocol). */
  async query(action: string, version: string, parameters: Readonly<Record<string, string>>): Promise<string> {
    const answer = (await this.send(queryCall(action, version, parameters))).body.toString('utf8');
    if (answer.includes(`<${action}Response`)) return answer;
    throw new PluginError('unavailable', `${this.service.name} answers ${action} with something that it should not.`);
  }

  /** An answer with a status from 200 to 299. */
  send(call: AwsCall): Promise<FetchResponse> {
    const { service, access, ctx } = this;
    const { endpoint, timeoutS } = access;
    const send = (): Promise<FetchResponse> =>
      withCredentials(access, ctx, (credentials) =>
        sendSigned(call, { service, credentials, endpoint, timeoutS }, ctx),
      );
    return access.waitsWhenThrottled ? whenThrottled(send, ctx) : send();
  }
}

/** Tries again after growing waits, about eight seconds in all, while AWS throttles. */
async function whenThrottled<T>(work: () => Promise<T>, ctx: PluginContext): Promise<T> {
  for (let waitMs = 250; ; waitMs *= 2) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AwsFailure) || !throttled.test(error.code) || waitMs > 4000) throw error;
      await setTimeout(waitMs, undefined, { signal: ctx.signal });
    }
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
