import { deserialize, serialize } from 'node:v8';
import { z } from 'zod';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import {
  type CaChain,
  defineIssuer,
  type OrderRequest,
  type PollRequest,
  type RevocationRequest,
  type Outcome,
  type RenewalInfo,
} from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';

/** What scripted-ca.ts does with a request; see there. */
export const behaviourNames = [
  'pending',
  'approval',
  'never',
  'rejects-later',
  'firm',
  'keeps',
  'lost',
  'stateful',
  'unavailable-once',
  'refuses',
  'breaks',
  'wrong-key',
  'other-names',
  'longer',
  'expired',
  'other-signature',
  'no-chain',
  'shuffled-chain',
  'incomplete-chain',
] as const;
export type BehaviourName = (typeof behaviourNames)[number];

/** What the CA gets of the request of a verb. */
export type Part = Partial<Pick<PollRequest, 'request' | 'state' | 'orderRef'> & Pick<RevocationRequest, 'chainPem'>>;

/** One request over the wire. */
export interface Call {
  verb: 'order' | 'poll' | 'find' | 'cancel' | 'revoke' | 'deactivate' | 'renewalInfo' | 'describe';
  ca: string;
  behaviour: BehaviourName;
  part: Part;
}

/** The answer. `save`: the state to save before it counts. `bug`: the plugin is to break. */
export interface Reply {
  value?: Outcome | RenewalInfo | { issuers: CaChain[] } | null;
  error?: { fault: PluginFault; detail: string };
  save?: string;
  bug?: string;
}

/** How long the issuer waits for an answer. */
const timeoutMs = 3_000;

const options = z.strictObject({
  ca: z.string().default('Scripted CA').meta({ title: 'CA', description: 'The name of the CA that issues.' }),
  behaviour: z
    .enum(behaviourNames)
    .default('pending')
    .meta({ title: 'Behaviour', description: 'What the CA does with a request.' }),
});
type Options = z.output<typeof options>;

/** The plugin for scripted-ca.ts, which has its key elsewhere and listens at this URL. */
export function scriptedIssuer(url: () => Promise<string>) {
  const ask = async (
    verb: Call['verb'],
    { ca, behaviour }: Options,
    { signal }: PluginContext,
    given?: object,
  ): Promise<unknown> => {
    const { save, request, ...rest } = (given ?? {}) as Partial<OrderRequest & PollRequest & RevocationRequest>;
    const { state, orderRef, chainPem } = rest;
    const reply = await send(
      await url(),
      { verb, ca, behaviour, part: { request, state, orderRef, chainPem } },
      signal,
    );
    if (reply.save !== undefined) await save?.(reply.save);
    if (reply.bug !== undefined) throw new Error(reply.bug);
    if (reply.error) throw new PluginError(reply.error.fault, reply.error.detail);
    return reply.value;
  };
  return defineIssuer({
    id: 'scripted-ca',
    title: 'Scripted CA',
    description: 'A CA that is late, loses answers and errs, as its script says.',
    options,
    answers: 'later',
    describe: async (chosen, ctx) => (await ask('describe', chosen, ctx)) as { issuers: CaChain[] },
    order: async (request, chosen, ctx) => (await ask('order', chosen, ctx, request)) as Outcome,
    poll: async (request, chosen, ctx) => (await ask('poll', chosen, ctx, request)) as Outcome,
    find: async (request, chosen, ctx) => (await ask('find', chosen, ctx, request)) as Outcome | null,
    cancel: async (request, chosen, ctx) => void (await ask('cancel', chosen, ctx, request)),
    revoke: async (request, chosen, ctx) => void (await ask('revoke', chosen, ctx, request)),
    deactivate: async (request, chosen, ctx) => void (await ask('deactivate', chosen, ctx, request)),
    renewalInfo: async (request, chosen, ctx) => (await ask('renewalInfo', chosen, ctx, request)) as RenewalInfo | null,
  });
}

async function send(url: string, call: Call, signal: AbortSignal): Promise<Reply> {
  let status: number;
  try {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const response = await fetch(url, { method: 'POST', signal: bounded, body: serialize(call) });
    const body = Buffer.from(await response.arrayBuffer());
    status = response.status;
    if (response.ok) return deserialize(body) as Reply;
  } catch (error) {
    throw new PluginError('unavailable', 'The CA is down.', undefined, { cause: error });
  }
  throw new PluginError('unavailable', `The CA answers with status ${status}.`);
}

/** For a program of child.ts: the CA listens at SCRIPTED_CA_URL. */
export const childIssuer = scriptedIssuer(() => Promise.resolve(process.env['SCRIPTED_CA_URL'] ?? ''));
