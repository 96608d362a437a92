import { acme } from '../../plugins/acme/acme.issuer.js';
import { cfssl } from '../../plugins/cfssl/cfssl.issuer.js';
import { djangoCa } from '../../plugins/django-ca/django-ca.issuer.js';
import { dogtag } from '../../plugins/dogtag/dogtag.issuer.js';
import { fastpki } from '../../plugins/fastpki/fastpki.issuer.js';
import { sectigo } from '../../plugins/sectigo/sectigo.issuer.js';
import { vaultPki } from '../../plugins/vault/vault-pki.issuer.js';
import type { IssuerPlugin, OrderRequest } from '../../src/plugin-api/issuer.js';
import type { OptionSchema, OptionValues } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { startAcmeServer } from '../fakes/acme-server.js';
import { cfsslKey, startCfssl } from '../fakes/cfssl.js';
import { djangoAccount, startDjangoCa } from '../fakes/django-ca.js';
import { DogtagCa } from '../fakes/dogtag-ca.js';
import { fastpkiAccount, startFastpki } from '../fakes/fastpki.js';
import { sectigoAccount, startSectigo } from '../fakes/sectigo.js';
import type { Reply, StandIn } from '../fakes/stand-in.js';
import { startVault, vaultAccount } from '../fakes/vault-pki.js';
import { contextFor } from './dns-service.js';
import { networkContext, type SigningCa } from './signing-ca.js';

/** An issuer at a stand-in for its CA, and what can go wrong there. An absent member: that cannot happen. */
export interface FaultBench {
  plugin: IssuerPlugin<OptionSchema>;
  options: (changed?: object) => OptionValues;
  standIn: StandIn;
  ctx: () => PluginContext;
  /** Which request submits an order, and which one reads how far it is. */
  submits: RegExp;
  reads?: RegExp;
  /** How many certificates the CA has issued. */
  issued: () => number;
  /** Makes open orders ready, and rejects them. */
  settle?: () => void;
  reject?: () => void;
  /** The CA was restarted, or its sessions and tokens have ended. */
  forget?: () => void;
  /** How its answer with the certificate looks when the chain is out of order, and when it is the leaf alone. */
  delivers?: RegExp;
  shuffled?: (reply: Reply) => Reply;
  alone?: (reply: Reply) => Reply;
  /** An error of the service itself. */
  error: (status: number) => Reply;
  /** What each order gets beside its request. */
  order?: () => Partial<OrderRequest>;
}

const json = (status: number, body: object): Reply => ({ status, body });
const changed = (reply: Reply, change: (body: never) => object): Reply => ({
  ...reply,
  body: change((typeof reply.body === 'string' ? JSON.parse(reply.body) : reply.body) as never),
});
const withoutChain = { ca_chain: undefined, issuing_ca: undefined };

/** The body of a reply that is text. */
function textOf({ body }: Reply): string {
  return typeof body === 'string' ? body : '';
}

async function acmeAt(ca: SigningCa): Promise<FaultBench> {
  const shown = new Set<string>();
  let memory: string | undefined;
  const blocks = (reply: Reply): string[] => textOf(reply).match(/-----BEGIN[^]+?-----END CERTIFICATE-----\n/g) ?? [];
  const server = await startAcmeServer(ca, shown);
  return {
    plugin: acme as unknown as FaultBench['plugin'],
    options: (changed) =>
      acme.options.parse({ directoryUrl: server.directoryUrl, termsOfServiceAgreed: true, ...changed }),
    standIn: server.standIn,
    ctx: () => contextFor(server.standIn),
    submits: /^POST \/order$/,
    reads: /^POST \/order\/\d+$/,
    issued: () => server.orders.filter(({ chainPem }) => chainPem.length > 0).length,
    reject: () => server.orders.forEach((order) => (order.status = 'invalid')),
    delivers: /^POST \/cert\//,
    shuffled: (reply) => ({ ...reply, body: [blocks(reply)[0], ...blocks(reply).slice(1).reverse()].join('') }),
    alone: (reply) => ({ ...reply, body: blocks(reply)[0] ?? '' }),
    error: (status) => {
      const type = status === 401 ? 'unauthorized' : status === 404 ? 'malformed' : 'serverInternal';
      return json(status, { type: `urn:ietf:params:acme:error:${type}`, detail: 'No.' });
    },
    order: () => ({
      ...(memory !== undefined && { authorityState: memory }),
      saveAuthority: async (state) => (memory = state),
      challenges: {
        canPresent: (type) => Promise.resolve(type === 'http-01'),
        present: ({ value }) => {
          shown.add(value);
          return Promise.resolve('visible');
        },
        withdraw: () => Promise.resolve(),
      },
    }),
  };
}

async function cfsslAt(ca: SigningCa): Promise<FaultBench> {
  const fake = await startCfssl(ca);
  return {
    plugin: cfssl as unknown as FaultBench['plugin'],
    options: (changed) => cfssl.options.parse({ url: fake.url, hmacKey: cfsslKey, ...changed }),
    standIn: fake,
    ctx: networkContext,
    submits: /authsign$/,
    issued: () => fake.issued.length,
    error: (status) => json(status, { success: false, errors: [{ code: 1, message: 'No.' }] }),
  };
}

async function djangoAt(ca: SigningCa): Promise<FaultBench> {
  const fake = await startDjangoCa(ca);
  return {
    plugin: djangoCa as unknown as FaultBench['plugin'],
    options: (changed) => djangoCa.options.parse({ url: `${fake.url}/django_ca`, ...djangoAccount, ...changed }),
    standIn: fake,
    ctx: networkContext,
    submits: /^POST .*\/sign\/$/,
    reads: /^GET .*\/orders\//,
    issued: () => fake.certificates.length,
    settle: () => fake.settle(),
    reject: () => {
      fake.fails = true;
      fake.settle();
    },
    error: (status) => json(status, { detail: 'No.' }),
  };
}

async function dogtagAt(ca: SigningCa): Promise<FaultBench> {
  const fake = new DogtagCa(ca);
  const standIn = await fake.start();
  const pkcs7 = (pems: string): string => ca.pkcs7(pems, 'DER').toString('base64');
  return {
    plugin: dogtag as unknown as FaultBench['plugin'],
    options: (changed) =>
      dogtag.options.parse({
        url: standIn.url,
        profile: 'tlsManual',
        username: 'agent',
        password: 'agent-password',
        ...changed,
      }),
    standIn,
    ctx: networkContext,
    submits: /^POST \/ca\/rest\/certrequests$/,
    reads: /^GET \/ca\/rest\/certrequests\/\d+$/,
    issued: () => fake.certificates.length,
    settle: () => fake.approveAll(),
    reject: () => fake.requests.forEach(({ id }) => fake.reject(id, 'Not allowed.')),
    forget: () => fake.forgetSessions(),
    delivers: /^GET \/ca\/rest\/certs\//,
    shuffled: (reply) =>
      changed(reply, ({ Encoded, ...rest }: { Encoded: string }) => ({
        ...rest,
        Encoded,
        PKCS7CertChain: pkcs7(ca.rootPem + ca.issuingPem + Encoded),
      })),
    alone: (reply) =>
      changed(reply, ({ Encoded, ...rest }: { Encoded: string }) => ({
        ...rest,
        Encoded,
        PKCS7CertChain: pkcs7(Encoded),
      })),
    error: (status) =>
      json(status, {
        Attributes: { Attribute: [] },
        ClassName: 'com.netscape.certsrv.base.E',
        Code: status,
        Message: 'No.',
      }),
  };
}

async function fastpkiAt(ca: SigningCa): Promise<FaultBench> {
  const fake = await startFastpki(ca);
  return {
    plugin: fastpki as unknown as FaultBench['plugin'],
    options: (changed) => fastpki.options.parse({ url: fake.url, ...fastpkiAccount, caName: 'Issuing CA', ...changed }),
    standIn: fake,
    ctx: networkContext,
    submits: /sign-csr$/,
    issued: () => fake.certificates.length,
    forget: () => fake.expire(true),
    error: (status) => json(status, { detail: 'No.' }),
  };
}

async function sectigoAt(ca: SigningCa): Promise<FaultBench> {
  const fake = await startSectigo(ca);
  const { clientId, clientSecret } = sectigoAccount;
  const reordered = (pem: string): string =>
    (pem.match(/-----BEGIN[^]+?-----END CERTIFICATE-----\n/g) ?? []).toSorted((a, b) => (a < b ? -1 : 1)).join('');
  return {
    plugin: sectigo as unknown as FaultBench['plugin'],
    options: (changed) =>
      sectigo.options.parse({
        baseUrl: `${fake.url}/api`,
        oauthUrl: `${fake.url}/token`,
        organizationId: 8,
        profileId: 21,
        clientId,
        clientSecret,
        ...changed,
      }),
    standIn: fake,
    ctx: networkContext,
    submits: /^POST .*\/enroll$/,
    reads: /^GET \/api\/ssl\/v1\/\d+$/,
    issued: () => fake.orders.filter(({ leafPem }) => leafPem !== null).length,
    settle: () => fake.issueAll(),
    reject: () => fake.orders.forEach((order) => (order.status = 'Rejected')),
    forget: () => fake.expireTokens(),
    delivers: /\/collect\//,
    shuffled: (reply) => ({ ...reply, body: reordered(textOf(reply)) }),
    alone: (reply) => ({ ...reply, body: fake.orders[0]?.leafPem ?? '' }),
    error: (status) => json(status, { code: -65, description: 'No.' }),
  };
}

async function vaultAt(ca: SigningCa): Promise<FaultBench> {
  const fake = await startVault(ca);
  const { roleId, secretId, namespace } = vaultAccount;
  return {
    plugin: vaultPki as unknown as FaultBench['plugin'],
    options: (changed) =>
      vaultPki.options.parse({ url: fake.url, roleId, secretId, namespace, role: 'web', ...changed }),
    standIn: fake,
    ctx: networkContext,
    submits: /\/sign\/web$/,
    issued: () => fake.kept.length,
    forget: () => fake.expireTokens(),
    delivers: /\/sign\/web$/,
    shuffled: (reply) =>
      changed(reply, ({ data }: { data: { ca_chain: string[] } }) => ({
        data: { ...data, ca_chain: data.ca_chain.toReversed() },
      })),
    alone: (reply) => changed(reply, ({ data }: { data: object }) => ({ data: { ...data, ...withoutChain } })),
    error: (status) => json(status, { errors: ['No.'] }),
  };
}

/** By id, for every issuer of the program that answers later. */
export const faultBenches: Readonly<Record<string, (ca: SigningCa) => Promise<FaultBench>>> = {
  acme: acmeAt,
  'cfssl-issuer': cfsslAt,
  'django-ca': djangoAt,
  dogtag: dogtagAt,
  fastpki: fastpkiAt,
  sectigo: sectigoAt,
  'vault-pki': vaultAt,
};
