import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { localCa } from '../../plugins/local-ca/local-ca.issuer.js';
import { parseCertificate } from '../../src/pki/certificate.js';
import { generatePrivateKey } from '../../src/pki/key.js';
import { signerOf } from '../../src/pki/sign.js';
import type { AuthorityMaterial, CertificateRequest, Outcome, RenewalInfo } from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { noKeeping } from '../support/issuer-requests.js';
import { dayMs } from '../support/requests.js';
import { type BehaviourName, type Call, type Part, type Reply, scriptedIssuer } from './scripted-ca.issuer.js';
import { lies } from './scripted-lies.js';

/** An order as the CA has it. `chainPem`, leaf first: what it issued for it, once. */
export interface CaOrder {
  ref: string;
  request: CertificateRequest;
  ca: string;
  behaviour: BehaviourName;
  isCancelled: boolean;
  chainPem: readonly string[] | null;
}

/** The fate of one request. `busy`: it is not done. `lost`, `html`, `hangs`: it is done, and its answer is lost. */
export type Fate = 'fine' | 'late' | 'busy' | 'lost' | 'html' | 'hangs';

/** A reply, or what to do instead; undefined: as usual. */
type Script = Partial<
  Record<
    'order' | 'poll' | 'cancel' | 'revoke',
    (ca: ScriptedCa, part: Part, call: Call) => Reply | Promise<Reply> | undefined
  >
>;

const refused = (detail: string): Reply => ({ error: { fault: 'refused', detail } });
const unavailable = (detail: string): Reply => ({ error: { fault: 'unavailable', detail } });
const ctx = {
  signal: new AbortController().signal,
  now: () => new Date(),
  log: () => undefined,
} as unknown as PluginContext;
const local = localCa.options.parse({});
const atSecond = (ms: number): Date => new Date(Math.floor(ms / 1000) * 1000);

/**
 * Where nothing is said, an order is taken, answered `pending` until `deliver`, then issued, and can be cancelled.
 * `never`: it stays pending. `firm`: it cannot be cancelled. `keeps`: nothing is revoked. `lost`: the first answer to
 * an order is lost. `stateful`: the first attempt saves a state and gets no further.
 */
const scripts: Partial<Record<BehaviourName, Script>> = {
  'rejects-later': {
    poll: (ca) => (ca.isReady ? { value: { status: 'rejected', reason: 'The agent said no.' } } : undefined),
  },
  firm: { cancel: () => refused('It is being issued.') },
  keeps: { revoke: () => refused('The serial number is unknown.') },
  lost: { order: (ca, part, call) => (ca.take(part, call), unavailable('The answer was lost.')) },
  stateful: {
    order: async (ca, { request, state }, call) => {
      const { idempotencyKey = '' } = request ?? {};
      if (state === undefined) return { save: `nonce of ${idempotencyKey}`, ...unavailable('The CA is busy.') };
      const chainPem = await ca.sign(request as CertificateRequest, call.ca);
      return { value: { status: 'issued', chainPem, externalId: state } };
    },
  },
  'unavailable-once': {
    order: async (ca, { request }, call) => {
      const { idempotencyKey } = request as CertificateRequest;
      if (ca.asked.order.filter((key) => key === idempotencyKey).length === 1) return unavailable('The CA is busy.');
      return { value: { status: 'issued', chainPem: await ca.sign(request as CertificateRequest, call.ca) } };
    },
  },
  refuses: { order: () => refused('The CA says no.') },
  breaks: { order: () => ({ bug: 'hunter2 in the stack' }) },
};

/**
 * A CA in the process of the test, which outlives the program that asks it and has its key. It does as the option
 * `behaviour` of the authority says, and what its members say to all. It takes every order that it gets, also a second
 * one for the same request, and issues one certificate for each.
 */
export class ScriptedCa {
  /** Of `order` and `find` the idempotency keys, of `poll` and `cancel` the order references, else the certificates. */
  readonly asked: Record<Exclude<Call['verb'], 'describe'>, string[]> = {
    order: [],
    poll: [],
    find: [],
    cancel: [],
    revoke: [],
    deactivate: [],
    renewalInfo: [],
  };
  /** The CSRs of the orders, PEM, in order. */
  readonly csrs: string[] = [];
  readonly orders: CaOrder[] = [];
  /** Serial numbers, hex. */
  readonly revoked = new Set<string>();
  /** What it suggests for every certificate. */
  renewalInfo: RenewalInfo | null = null;
  /** While true, every connection is closed. */
  isDown = false;
  /** Whether orders are fulfilled; until then each poll answers `pending`. */
  isReady = false;
  /** Whether an order is fulfilled as soon as it is taken, also when nobody polls it; it cannot be cancelled then. */
  isPrompt = false;
  /** What it does with an order: as the authority says. */
  behaviourFor = ({ behaviour }: Call): BehaviourName => behaviour;
  /** While set, polls and searches are refused so: the CA does not know its orders. */
  refusal: string | null = null;
  fate: (verb: Call['verb']) => Fate = () => 'fine';
  /** For `late`. */
  lateMs = (): number => 500;
  private readonly issuing = new Map<string, { told: string[]; signs: string }>();
  readonly plugin = scriptedIssuer(() => this.url);
  readonly url: Promise<string>;
  private readonly cas = new Map<string, Promise<AuthorityMaterial>>();
  private held: { verb: Call['verb']; ca: string | null; begun: number; open: Promise<void> } | null = null;
  // A connection that ends just when the next request is sent would be a fault that no test asked for.
  private readonly server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
    void this.handle(request, response);
  });

  constructor() {
    // A test that fails does not keep its process for it.
    this.server.unref();
    this.url = new Promise((resolve) => {
      this.server.listen(0, '127.0.0.1', () =>
        resolve(`http://127.0.0.1:${(this.server.address() as AddressInfo).port}`),
      );
    });
  }

  deliver(): void {
    this.isReady = true;
  }

  /** Holds requests of this kind, for all CAs or this one, until `release`. `begun`: whether one is held. */
  hold(verb: Call['verb'] = 'poll', ca: string | null = null): { begun: () => boolean; release: () => void } {
    let release = (): void => undefined;
    const held = { verb, ca, begun: 0, open: new Promise<void>((resolve) => (release = resolve)) };
    this.held = held;
    return {
      begun: () => held.begun > 0,
      release: () => {
        this.held = null;
        release();
      },
    };
  }

  /** The chain, leaf first, that an order is answered with. */
  async answerTo(orderRef: string): Promise<readonly string[]> {
    return this.fulfil(this.get(orderRef));
  }

  /** A second certificate for the request of an order. */
  async anotherFor(orderRef: string): Promise<readonly string[]> {
    const { request, ca } = this.get(orderRef);
    return this.sign(request, ca);
  }

  /** Makes a CA below the root of `ca` that issues from now on; gives its chain. `told` has it once it is told of. */
  async changeIssuer(ca: string, name: string): Promise<string[]> {
    const made = this.make(name, 5, await this.material(`${ca} Root`));
    this.cas.set(name, made);
    const issuing = await this.issuingOf(ca);
    issuing.signs = name;
    const { certificatePem, chainPem } = await made;
    return [certificatePem, ...chainPem];
  }

  /** The names of the CAs that `ca` tells of, and of the one that signs for it. */
  async issuingOf(ca: string): Promise<{ told: string[]; signs: string }> {
    const known = this.issuing.get(ca) ?? { told: [ca], signs: ca };
    this.issuing.set(ca, known);
    if (!this.cas.has(ca)) {
      const root = this.make(`${ca} Root`, 20);
      this.cas.set(`${ca} Root`, root);
      this.cas.set(
        ca,
        root.then((parent) => this.make(ca, 10, parent)),
      );
    }
    await this.material(ca);
    return known;
  }

  take({ request, orderRef = '' }: Part, call: Call): CaOrder {
    const order: CaOrder = {
      ref: orderRef || randomUUID(),
      request: request as CertificateRequest,
      ca: call.ca,
      behaviour: this.behaviourFor(call),
      isCancelled: false,
      chainPem: null,
    };
    this.orders.push(order);
    return order;
  }

  async sign(request: CertificateRequest, ca: string): Promise<readonly string[]> {
    const { signs } = await this.issuingOf(ca);
    return this.signWith(request, await this.material(signs));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async make(commonName: string, years: number, parent?: AuthorityMaterial): Promise<AuthorityMaterial> {
    const signer = signerOf(await generatePrivateKey('ECCPRIME256V1'));
    const [notBefore, notAfter] = [Date.now() - dayMs, Date.now() + years * 365 * dayMs].map(atSecond) as [Date, Date];
    const request = { subject: { commonName }, notBefore, notAfter, signer, parent };
    const [certificatePem = '', ...chainPem] = (await localCa.createAuthority?.(request, local, ctx))?.chainPem ?? [];
    return { cacheKey: commonName, certificatePem, chainPem, signer };
  }

  private async material(name: string): Promise<AuthorityMaterial> {
    const made = await this.cas.get(name);
    if (!made) throw new Error(`There is no CA ${name}.`);
    return made;
  }

  private async fulfil(order: CaOrder): Promise<readonly string[]> {
    const chainPem = order.chainPem ?? (await this.answerFor(order));
    return (order.chainPem ??= chainPem);
  }

  private async answerFor({ request: asked, ca, behaviour }: CaOrder): Promise<readonly string[]> {
    const { request = asIs, chain = asIs, isForged } = lies[behaviour] ?? {};
    const chainPem = await this.sign(request(asked), ca);
    if (isForged) {
      const [forged = ''] = await this.signWith(asked, await this.make(ca, 10));
      return [forged, ...chainPem.slice(1)];
    }
    const { certificatePem: rootPem } = await this.material(`${ca} Root`);
    return chain(chainPem, rootPem);
  }

  private async signWith(request: CertificateRequest, authority: AuthorityMaterial): Promise<readonly string[]> {
    const outcome = await localCa.order({ ...noKeeping, request, authority }, local, ctx);
    if (outcome.status !== 'issued') throw new Error('The local CA issues at once.');
    // As OpenSSL writes it.
    return outcome.chainPem.map((pem) => `Bag Attributes\n${pem}`);
  }

  private isDue({ behaviour }: CaOrder): boolean {
    return (this.isReady && behaviour !== 'never') || behaviour in lies;
  }

  private get(orderRef: string): CaOrder {
    const order = this.orders.find(({ ref }) => ref === orderRef);
    if (!order) throw new Error(`There is no order ${orderRef}.`);
    return order;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const call = deserialize(Buffer.concat(chunks)) as Call;
    const fate = this.isDown ? 'down' : this.fate(call.verb);
    if (fate === 'down') return void request.socket.destroy();
    if (fate === 'busy') return void response.writeHead(503).end();
    const reply = await this.answer(call);
    if (fate === 'lost') return void request.socket.destroy();
    if (fate === 'hangs') return;
    if (fate === 'late') await sleep(this.lateMs());
    response.end(fate === 'html' ? '<html><body>Please sign in.</body></html>' : serialize(reply));
  }

  private async answer(call: Call): Promise<Reply> {
    const { verb, part } = call;
    this.note(verb, part);
    if (this.held?.verb === verb && [null, call.ca].includes(this.held.ca)) {
      this.held.begun += 1;
      await this.held.open;
    }
    const script = scripts[call.behaviour]?.[verb as keyof Script];
    return (await script?.(this, part, call)) ?? this.usual(call, part);
  }

  private note(verb: Call['verb'], { request, orderRef, chainPem }: Part): void {
    if (verb === 'describe') return;
    this.asked[verb].push(orderRef ?? request?.idempotencyKey ?? chainPem?.[0] ?? '');
    if (verb === 'order') this.csrs.push(request?.csrPem ?? '');
  }

  private async usual(call: Call, part: Part): Promise<Reply> {
    switch (call.verb) {
      case 'order': {
        const order = this.take(part, call);
        if (this.isPrompt && this.isDue(order)) await this.fulfil(order);
        return { value: this.progress(order) };
      }
      case 'find': {
        if (this.refusal !== null) return refused(this.refusal);
        const key = part.request?.idempotencyKey;
        const found = this.orders.find(({ request }) => request.idempotencyKey === key);
        return { value: found ? this.progress(found) : null };
      }
      case 'poll': {
        if (this.refusal !== null) return refused(this.refusal);
        const order = this.orders.find(({ ref }) => ref === part.orderRef);
        if (!order || order.isCancelled) return { value: { status: 'rejected', reason: 'There is no such order.' } };
        if (!this.isDue(order)) return { value: this.progress(order) };
        return { value: { status: 'issued', chainPem: await this.fulfil(order) } };
      }
      case 'cancel': {
        const order = this.get(part.orderRef ?? '');
        if (this.isPrompt && order.chainPem) return refused('It is issued.');
        order.isCancelled = true;
        return {};
      }
      case 'revoke':
        this.revoked.add(parseCertificate(part.chainPem?.[0] ?? '').serialHex);
        return {};
      case 'deactivate':
        return {};
      case 'renewalInfo':
        return { value: this.renewalInfo };
      case 'describe':
        return { value: { issuers: await this.issuers(call.ca) } };
    }
  }

  private progress({ ref: orderRef, behaviour }: CaOrder): Outcome {
    return {
      status: 'pending',
      orderRef,
      pollAfterS: 1,
      progress: 'A person looks at it.',
      awaitsApproval: behaviour === 'approval',
    };
  }

  private async issuers(ca: string): Promise<{ chainPem: string[] }[]> {
    const { told } = await this.issuingOf(ca);
    const all = await Promise.all(told.map((name) => this.material(name)));
    return all.map(({ certificatePem, chainPem }) => ({ chainPem: [certificatePem, ...chainPem] }));
  }
}

function asIs<T>(value: T): T {
  return value;
}
