import { generateKeyPairSync } from 'node:crypto';
import { z } from 'zod';
import { localCa } from '../../plugins/local-ca/local-ca.issuer.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import {
  type CertificateRequest,
  defineIssuer,
  type IssuerPlugin,
  type OrderRequest,
  type Outcome,
  type RenewalInfo,
} from '../../src/plugin-api/issuer.js';
import type { OptionSchema } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { dayMs } from './requests.js';

const lies = {
  'wrong-key': (request: CertificateRequest): CertificateRequest => ({
    ...request,
    spkiDer: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey.export({ type: 'spki', format: 'der' }),
  }),
  'other-names': (request: CertificateRequest): CertificateRequest => ({
    ...request,
    terms: {
      ...request.terms,
      subjectAltNames: [...request.terms.subjectAltNames, { type: 'dns', value: 'evil.example.com' }],
    },
  }),
  longer: (request: CertificateRequest): CertificateRequest => ({
    ...request,
    terms: { ...request.terms, notAfter: new Date(request.terms.notAfter.getTime() + dayMs) },
  }),
  'no-chain': (request: CertificateRequest): CertificateRequest => request,
};
type Lie = keyof typeof lies;

/**
 * `pending`: each poll answers so until `deliver`. `lost`: the order is taken, and the answer to it lost. `stateful`:
 * the first attempt saves a state and gets no further. `never`: it is pending for ever. `firm`: as `pending`, but it
 * cancels nothing. `keeps`: as `pending`, but it revokes nothing.
 */
const behaviours = [
  'pending',
  'lost',
  'stateful',
  'never',
  'firm',
  'keeps',
  'unavailable-once',
  'refuses',
  'breaks',
  ...(Object.keys(lies) as Lie[]),
] as const;
const options = z.strictObject({
  behaviour: z.enum(behaviours).meta({ title: 'Behaviour', description: 'What it does with a request.' }),
});

/**
 * What an issuer outside the process was asked. `order` and `find` hold the idempotency keys in order, `poll` and
 * `cancel` the order references, the others the certificates.
 */
export interface SlowIssuer {
  plugin: IssuerPlugin<OptionSchema>;
  asked: Record<'order' | 'poll' | 'find' | 'cancel' | 'revoke' | 'deactivate' | 'renewalInfo', string[]>;
  /** The CSRs of the orders, PEM, in order. */
  csrs: string[];
  /** What it suggests for every certificate. */
  renewalInfo: RenewalInfo | null;
  /** While true, it cancels and revokes nothing. */
  isDown: boolean;
  /** Polls begin, and go no further until `release`. */
  hold(): { begun: () => boolean; release: () => void };
  /** While set, polls are refused so: the CA does not know its orders. */
  refusal: string | null;
  /** While true, polls answer `pending` also after `deliver`. */
  lags: boolean;
  /**
   * The chain, leaf first, that an order is answered with; `orderRef` is one of `asked.poll`. `another`: of a second
   * certificate for the same order.
   */
  answerTo(orderRef: string, another?: boolean): Promise<readonly string[]>;
  /** Lets orders be ready; until then each poll answers `pending`. */
  deliver(): void;
}

/**
 * An issuer that counts as one behind a network, and behaves as its authority's option `behaviour` says. The local CA
 * signs for it.
 */
export function slowIssuer(): SlowIssuer {
  const asked: SlowIssuer['asked'] = {
    order: [],
    poll: [],
    find: [],
    cancel: [],
    revoke: [],
    deactivate: [],
    renewalInfo: [],
  };
  let held: { begun: boolean; open: Promise<void> } | null = null;
  const orders = new Map<string, OrderRequest>();
  const fulfilled = new Map<string, Promise<Outcome>>();
  let ready = false;
  const local = localCa.options.parse({});
  const issue = async (order: OrderRequest, ctx: PluginContext): Promise<Outcome> => {
    const outcome = await localCa.order(order, local, ctx);
    if (outcome.status !== 'issued') return outcome;
    return { ...outcome, chainPem: outcome.chainPem.map((pem) => `Bag Attributes\n${pem}`) };
  };
  /** Once for an order. */
  const fulfil = (orderRef: string, order: OrderRequest, ctx: PluginContext): Promise<Outcome> => {
    const answer = fulfilled.get(orderRef) ?? issue(order, ctx);
    fulfilled.set(orderRef, answer);
    return answer;
  };

  const plugin = defineIssuer({
    id: 'slow-issuer',
    title: 'Slow issuer',
    description: 'Behaves as told.',
    options,
    answers: 'later',
    createAuthority: (request, _, ctx) =>
      localCa.createAuthority?.(request, local, ctx) ?? Promise.reject(new Error('The local CA makes authorities.')),
    revoke: async ({ chainPem: [leafPem = ''] }, { behaviour }) => {
      reach();
      if (behaviour === 'keeps') throw new PluginError('refused', 'The serial number is unknown.');
      asked.revoke.push(leafPem);
    },
    cancel: async ({ orderRef }, { behaviour }) => {
      reach();
      if (behaviour === 'firm') throw new PluginError('refused', 'It is being issued.');
      asked.cancel.push(orderRef);
      orders.delete(orderRef);
    },
    renewalInfo: async ({ chainPem: [leafPem = ''] }) => {
      asked.renewalInfo.push(leafPem);
      return made.renewalInfo;
    },
    find: async ({ request: { idempotencyKey } }) => {
      asked.find.push(idempotencyKey);
      return orders.has(idempotencyKey) ? { status: 'pending', orderRef: idempotencyKey, pollAfterS: 1 } : null;
    },
    deactivate: async ({ chainPem: [leafPem = ''] }) => {
      asked.deactivate.push(leafPem);
    },

    async order(order, { behaviour }, ctx) {
      const { request } = order;
      asked.order.push(request.idempotencyKey);
      made.csrs.push(request.csrPem);
      if (behaviour === 'refuses') throw new PluginError('refused', 'The CA says no.');
      if (behaviour === 'breaks') throw new Error('hunter2 in the stack');
      if (
        behaviour === 'unavailable-once' &&
        asked.order.filter((key) => key === request.idempotencyKey).length === 1
      ) {
        throw new PluginError('unavailable', 'The CA is busy.');
      }
      if (behaviour === 'unavailable-once') return issue(order, ctx);
      if (behaviour === 'stateful' && order.state === undefined) {
        await order.save(`nonce of ${request.idempotencyKey}`);
        throw new PluginError('unavailable', 'The CA is busy.');
      }
      if (behaviour === 'stateful') return { ...(await issue(order, ctx)), externalId: order.state ?? '' };
      if (behaviour === 'lost') {
        orders.set(request.idempotencyKey, order);
        throw new PluginError('unavailable', 'The answer was lost.');
      }
      if (behaviour !== 'pending' && behaviour !== 'firm' && behaviour !== 'keeps' && behaviour !== 'never')
        return told(behaviour, await issue({ ...order, request: lies[behaviour](request) }, ctx));
      orders.set(request.idempotencyKey, order);
      return { status: 'pending', orderRef: request.idempotencyKey, pollAfterS: 1, progress: 'A person looks at it.' };
    },

    async poll({ orderRef }, { behaviour }, ctx) {
      asked.poll.push(orderRef);
      if (held) {
        held.begun = true;
        await held.open;
      }
      if (made.refusal !== null) throw new PluginError('refused', made.refusal);
      const order = orders.get(orderRef);
      if (!order) return { status: 'rejected', reason: 'No such order.' };
      if (ready && !made.lags && behaviour !== 'never') return fulfil(orderRef, order, ctx);
      return { status: 'pending', orderRef, pollAfterS: 1, progress: 'A person looks at it.' };
    },
  });
  const answerTo = async (orderRef: string, another = false): Promise<readonly string[]> => {
    const order = orders.get(orderRef);
    const ctx = {
      signal: AbortSignal.timeout(10_000),
      now: () => new Date(),
      log: () => undefined,
    } as unknown as PluginContext;
    const outcome = order && (await (another ? issue(order, ctx) : fulfil(orderRef, order, ctx)));
    if (outcome?.status !== 'issued') throw new Error(`There is no order ${orderRef}.`);
    return outcome.chainPem;
  };
  const made: SlowIssuer = {
    plugin,
    asked,
    answerTo,
    csrs: [],
    renewalInfo: null,
    isDown: false,
    refusal: null,
    lags: false,
    hold: () => {
      let release = (): void => undefined;
      const one = { begun: false, open: new Promise<void>((resolve) => (release = resolve)) };
      held = one;
      return {
        begun: () => one.begun,
        release: () => {
          held = null;
          release();
        },
      };
    },
    deliver: () => {
      ready = true;
    },
  };
  const reach = (): void => {
    if (made.isDown) throw new PluginError('unavailable', 'The CA is down.');
  };
  return made;
}

function told(behaviour: Lie, outcome: Outcome): Outcome {
  return outcome.status === 'issued' && behaviour === 'no-chain'
    ? { ...outcome, chainPem: outcome.chainPem.slice(0, 1) }
    : outcome;
}
