import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { checkIssued } from '../../src/pki/chain.js';
import { isSignedBy, parseCertificate } from '../../src/pki/certificate.js';
import { PkiError } from '../../src/pki/pki-error.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { OrderRequest, Outcome } from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { Reply } from '../fakes/stand-in.js';
import { type ChangingCa, startChangingCa } from '../support/changing-ca.js';
import { type FaultBench, faultBenches } from '../support/fault-benches.js';
import { requestFor } from '../support/signing-ca.js';

// What becomes of an order when its CA or the network fails, for each issuer that answers later. The orders are asked
// for, found and polled here as the program does it.

const names = ['www.example.com', 'example.com'];
const html = { body: '<html>Maintenance</html>', headers: { 'content-type': 'text/html' } };
const hourMs = 60 * 60_000;
const mostAttempts = 20;

/** What becomes of an order. `says`: the faults on the way. `issued`: how many certificates the CA made; else one. */
interface Row {
  ends: 'issued' | 'rejected' | 'disputed';
  says?: readonly string[];
  issued?: number;
}
/** Why it cannot happen, or what it comes to. */
type Cell = Row | string;

interface Fault {
  /** Before the order is submitted. */
  before?: (bench: FaultBench, ca: ChangingCa) => void;
  /** When the CA has the order, and before it is ready. */
  between?: (bench: FaultBench, ca: ChangingCa) => void;
  /** In place of an approval at the CA. */
  approves?: (bench: FaultBench) => void;
  /** Options of the first attempt. */
  first?: object;
}

const onSubmit = (kind: (bench: FaultBench) => Parameters<FaultBench['standIn']['fail']>[0]['kind']): Fault => ({
  before: (bench) => bench.standIn.fail({ on: bench.submits, kind: kind(bench) }),
});
const onRead = (kind: (bench: FaultBench) => Reply | 'drop'): Fault => ({
  between: (bench) => bench.standIn.fail({ on: bench.reads ?? /^$/, kind: kind(bench) }),
});

const faults = {
  'the answer to the order is lost': onSubmit(() => 'lose'),
  'the CA does not answer in time': { ...onSubmit(() => 'hang'), first: { timeoutS: 1 } },
  'the CA answers 500': onSubmit(({ error }) => error(500)),
  'the CA answers 200 in HTML': onSubmit(() => ({ ...html, status: 200 })),
  'the CA answers 404 in HTML': onSubmit(() => ({ ...html, status: 404 })),
  'the CA answers 401 for a while': onSubmit(({ error }) => error(401)),
  'the CA is restarted between order and poll': {
    between: (bench) => {
      bench.forget?.();
      bench.standIn.fail({ on: /./, kind: 'drop' });
    },
  },
  'sessions and tokens have expired': { between: (bench) => bench.forget?.() },
  'a poll is answered with 500': onRead(({ error }) => error(500)),
  'a poll is answered with 401': onRead(({ error }) => error(401)),
  'a poll is answered with 404': onRead(({ error }) => error(404)),
  'a poll is answered in HTML': onRead(() => ({ ...html, status: 200 })),
  'the certificate is for another key': { before: (_, ca) => (ca.mistakesKey = true) },
  'the chain is out of order': {
    before: (bench) => bench.standIn.fail({ on: bench.delivers ?? /^$/, kind: bench.shuffled ?? 'drop' }),
  },
  'the chain is incomplete': {
    before: (bench) => bench.standIn.fail({ on: bench.delivers ?? /^$/, kind: bench.alone ?? 'drop' }),
  },
  'the CA issues by another certificate than before': { before: (_, ca) => ca.change() },
  'the CA rejects the order after days': { approves: (bench) => bench.reject?.() },
} as const satisfies Record<string, Fault>;
type FaultName = keyof typeof faults;

const passes: Row = { ends: 'issued', says: ['unavailable'] };
const unseen: Row = { ends: 'issued', says: [] };
const forPeople: Row = { ends: 'issued', says: ['misconfigured'] };
const noPoll = 'It answers at once: nothing is polled.';
const noSession = 'Each request signs in by itself.';
const ownChain = 'The chain is put together here from single certificates.';
const noApproval = 'It answers at once: nothing waits for a person.';

const atOnce: Partial<Record<FaultName, Cell>> = {
  'the CA is restarted between order and poll': noPoll,
  'a poll is answered with 500': noPoll,
  'a poll is answered with 401': noPoll,
  'a poll is answered with 404': noPoll,
  'a poll is answered in HTML': noPoll,
  'the CA rejects the order after days': noApproval,
};
const usual: Record<FaultName, Cell> = {
  'the answer to the order is lost': passes,
  'the CA does not answer in time': passes,
  'the CA answers 500': passes,
  'the CA answers 200 in HTML': passes,
  'the CA answers 404 in HTML': passes,
  'the CA answers 401 for a while': forPeople,
  'the CA is restarted between order and poll': passes,
  'sessions and tokens have expired': unseen,
  'a poll is answered with 500': passes,
  'a poll is answered with 401': forPeople,
  'a poll is answered with 404': { ends: 'issued', says: ['refused'] },
  'a poll is answered in HTML': passes,
  'the certificate is for another key': { ends: 'disputed' },
  'the chain is out of order': unseen,
  'the chain is incomplete': unseen,
  'the CA issues by another certificate than before': unseen,
  'the CA rejects the order after days': { ends: 'rejected', issued: 0 },
};

const table: Readonly<Record<string, Record<FaultName, Cell>>> = {
  acme: {
    ...usual,
    // It may be the certificate of another request that shared the order, so it is ordered anew three times.
    'the certificate is for another key': { ends: 'disputed', issued: 4 },
  },
  'cfssl-issuer': {
    ...usual,
    ...atOnce,
    'the answer to the order is lost': { ...passes, issued: 2 },
    'sessions and tokens have expired': noSession,
    'the chain is out of order': ownChain,
    'the chain is incomplete': ownChain,
  },
  'django-ca': {
    ...usual,
    'sessions and tokens have expired': noSession,
    'the chain is out of order': ownChain,
    'the chain is incomplete': ownChain,
    'the CA issues by another certificate than before': 'An authority is one CA certificate, by its serial number.',
  },
  dogtag: { ...usual },
  fastpki: {
    ...usual,
    ...atOnce,
    'the CA answers 401 for a while': unseen,
    'the chain is out of order': ownChain,
    'the chain is incomplete': ownChain,
    'the CA issues by another certificate than before': 'An authority is one CA certificate, by its name.',
  },
  sectigo: { ...usual, 'the CA answers 401 for a while': unseen, 'a poll is answered with 401': unseen },
  'vault-pki': { ...usual, ...atOnce },
};

let ca: ChangingCa;
let bench: FaultBench;
/** How far the clock is ahead. */
let aheadMs: number;

const context = (): PluginContext => ({ ...bench.ctx(), now: () => new Date(Date.now() + aheadMs) });

/** Orders as the program does: looks for what may exist already, polls what is pending, an hour after a fault. */
async function follow(fault: Fault): Promise<{ outcome: Outcome | null; says: string[]; asked: OrderRequest }> {
  const { order: asked, saved } = await requestFor(names, { ca });
  const says: string[] = [];
  let [outcome, options]: [Outcome | null, ReturnType<FaultBench['options']>] = [null, bench.options(fault.first)];
  fault.before?.(bench, ca);
  for (let left = mostAttempts; left > 0 && (outcome === null || outcome.status === 'pending'); left -= 1) {
    try {
      outcome = await attempt({ ...asked, ...bench.order?.(), state: saved.at(-1) }, outcome, options);
      if (left === mostAttempts) fault.between?.(bench, ca);
    } catch (error) {
      if (!(error instanceof PluginError)) throw error;
      says.push(error.fault);
      aheadMs += hourMs;
    }
    options = bench.options();
    if (fault.approves) fault.approves(bench);
    else bench.settle?.();
  }
  return { outcome, says, asked };
}

async function attempt(
  request: OrderRequest,
  last: Outcome | null,
  options: ReturnType<FaultBench['options']>,
): Promise<Outcome> {
  const { plugin } = bench;
  if (last?.status === 'pending') {
    const polled = await plugin.poll?.({ ...request, orderRef: last.orderRef }, options, context());
    return polled ?? last;
  }
  const found = (await plugin.find?.(request, options, context())) ?? null;
  return found ?? plugin.order(request, options, context());
}

/** Whether the program takes the answer, or keeps it in dispute. */
async function judged({ chainPem }: { chainPem: readonly string[] }, { request }: OrderRequest): Promise<Row['ends']> {
  const { spkiDer } = request;
  // The stand-ins sign for whole days from the moment at which they do it.
  const terms = { ...request.terms, notAfter: new Date(request.terms.notAfter.getTime() + 60_000) };
  const { allows } = bench.plugin;
  const chain = chainPem.map((pem) => parseCertificate(pem));
  try {
    await checkIssued(chain, { spkiDer, terms, ...(allows && { allows }) });
    const [leaf, issuer] = chain;
    const isOfCa = leaf && issuer && (await isSignedBy(leaf, parseCertificate(ca.issuingPem)));
    return isOfCa ? 'issued' : 'disputed';
  } catch (error) {
    if (error instanceof PkiError) return 'disputed';
    throw error;
  }
}

it('has a row for every issuer that answers later', () => {
  const later = plugins.flatMap((plugin) =>
    plugin.kind === 'issuer' && plugin.answers === 'later' ? [plugin.id] : [],
  );
  expect([Object.keys(table), Object.keys(faultBenches)].map((ids) => ids.toSorted())).toEqual([later, later]);
});

describe.each(Object.entries(table))('an order at %s', (id, cells) => {
  beforeEach(async () => {
    ca = await startChangingCa(names);
    aheadMs = 0;
    bench = await (faultBenches[id] ?? (() => Promise.reject(new Error(`There is no stand-in for ${id}.`))))(ca);
  });
  afterEach(async () => {
    await bench.standIn.stop();
    ca.close();
  });

  for (const [name, cell] of Object.entries(cells) as [FaultName, Cell][]) {
    if (typeof cell === 'string') continue;
    it(`${cell.ends === 'issued' ? 'is issued' : `is ${cell.ends}`} although ${name}`, async () => {
      const { outcome, says, asked } = await follow(faults[name]);
      const ends = outcome?.status === 'issued' ? await judged(outcome, asked) : outcome?.status;
      expect({ ends, says, issued: bench.issued() }).toEqual({ says: [], issued: 1, ...cell });
      if (ends === 'issued' && outcome?.status === 'issued') ca.verify(outcome.chainPem);
    });
  }
});
