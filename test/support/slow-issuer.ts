import { generateKeyPairSync } from 'node:crypto';
import { z } from 'zod';
import { localCa } from '../../plugins/local-ca/local-ca.issuer.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import {
  defineIssuer,
  type IssuerPlugin,
  type PluginContext,
  type Signed,
  type SignRequest,
} from '../../src/plugin-api/plugin.js';
import type { OptionSchema } from '../../src/plugin-api/options.js';
import { dayMs } from './requests.js';

const lies = {
  'wrong-key': (request: SignRequest): SignRequest => ({
    ...request,
    spkiDer: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey.export({ type: 'spki', format: 'der' }),
  }),
  'other-names': (request: SignRequest): SignRequest => ({
    ...request,
    terms: {
      ...request.terms,
      subjectAltNames: [...request.terms.subjectAltNames, { type: 'dns', value: 'evil.example.com' }],
    },
  }),
  longer: (request: SignRequest): SignRequest => ({
    ...request,
    terms: { ...request.terms, notAfter: new Date(request.terms.notAfter.getTime() + dayMs) },
  }),
  'no-chain': (request: SignRequest): SignRequest => request,
};
type Lie = keyof typeof lies;

const behaviours = ['pending', 'unavailable-once', 'refuses', 'breaks', ...(Object.keys(lies) as Lie[])] as const;
const options = z.strictObject({
  behaviour: z.enum(behaviours).meta({ title: 'Behaviour', description: 'What it does with a request.' }),
});

/**
 * What an issuer outside the process was asked. `sign` and `poll` hold the idempotency keys and order references in
 * order, `revoke` and `deactivate` the certificates.
 */
export interface SlowIssuer {
  plugin: IssuerPlugin<OptionSchema>;
  asked: { sign: string[]; poll: string[]; revoke: string[]; deactivate: string[] };
  /** The chain, leaf first, that an order will be answered with; `orderRef` is one of `asked.poll`. */
  answerTo(orderRef: string): Promise<readonly string[]>;
  /** Lets orders be ready; until then each poll answers `pending`. */
  deliver(): void;
}

/**
 * An issuer that counts as one behind a network, and behaves as its authority's option `behaviour` says. The local CA
 * signs for it.
 */
export function slowIssuer(): SlowIssuer {
  const asked: SlowIssuer['asked'] = { sign: [], poll: [], revoke: [], deactivate: [] };
  const orders = new Map<string, SignRequest>();
  let ready = false;
  const local = localCa.options.parse({});
  const issue = async (request: SignRequest, ctx: PluginContext): Promise<Signed> => {
    const signed = await localCa.sign(request, local, ctx);
    if (signed.status !== 'issued') return signed;
    return { ...signed, chainPem: signed.chainPem.map((pem) => `Bag Attributes\n${pem}`) };
  };

  const plugin = defineIssuer({
    id: 'slow-issuer',
    title: 'Slow issuer',
    description: 'Behaves as told.',
    options,
    inProcess: false,
    createAuthority: (request, _, ctx) =>
      localCa.createAuthority?.(request, local, ctx) ?? Promise.reject(new Error('The local CA makes authorities.')),
    revoke: async ({ chainPem: [leafPem = ''] }) => {
      asked.revoke.push(leafPem);
    },
    deactivate: async ({ chainPem: [leafPem = ''] }) => {
      asked.deactivate.push(leafPem);
    },

    async sign(request, { behaviour }, ctx) {
      asked.sign.push(request.idempotencyKey);
      if (behaviour === 'refuses') throw new PluginError('refused', 'The CA says no.');
      if (behaviour === 'breaks') throw new Error('hunter2 in the stack');
      if (behaviour === 'unavailable-once' && asked.sign.filter((key) => key === request.idempotencyKey).length === 1) {
        throw new PluginError('unavailable', 'The CA is busy.');
      }
      if (behaviour === 'unavailable-once') return issue(request, ctx);
      if (behaviour !== 'pending') return told(behaviour, await issue(lies[behaviour](request), ctx));
      orders.set(request.idempotencyKey, request);
      return { status: 'pending', orderRef: request.idempotencyKey, pollAfterS: 1 };
    },

    async poll(orderRef, _, ctx) {
      asked.poll.push(orderRef);
      const request = orders.get(orderRef);
      if (!request) throw new PluginError('refused', 'No such order.');
      return ready ? issue(request, ctx) : { status: 'pending', orderRef, pollAfterS: 1 };
    },
  });
  const answerTo = async (orderRef: string): Promise<readonly string[]> => {
    const request = orders.get(orderRef);
    const signed =
      request &&
      (await issue(request, {
        signal: AbortSignal.timeout(10_000),
        now: () => new Date(),
        log: () => undefined,
      } as unknown as PluginContext));
    if (signed?.status !== 'issued') throw new Error(`There is no order ${orderRef}.`);
    return signed.chainPem;
  };
  return {
    plugin,
    asked,
    answerTo,
    deliver: () => {
      ready = true;
    },
  };
}

function told(behaviour: Lie, signed: Signed): Signed {
  return signed.status === 'issued' && behaviour === 'no-chain'
    ? { ...signed, chainPem: signed.chainPem.slice(0, 1) }
    : signed;
}
