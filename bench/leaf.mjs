import { createRequire } from 'node:module';
import { randomBytes, sign as cryptoSign } from 'node:crypto';
import { promisify } from 'node:util';
import { stage } from './report.mjs';

const require = createRequire(import.meta.url);
const { localCa } = require('../dist/plugins/local-ca/local-ca.issuer.js');
const { parseCertificate } = require('../dist/src/pki/certificate.js');
const { generatePrivateKey, spkiOf } = require('../dist/src/pki/key.js');
const { signerOf } = require('../dist/src/pki/sign.js');

const IN_FLIGHT = 8;
const ROUNDS = 20;
const YEAR_MS = 365 * 24 * 60 * 60 * 1000;

/** Runs `work` with 8 in flight for `ms` milliseconds; returns the rate per second. */
async function rate(work, ms) {
  const start = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      for (; performance.now() - start < ms; done++) await work();
    }),
  );
  return done / ((performance.now() - start) / 1000);
}

async function prepare() {
  const ctx = { signal: new AbortController().signal, now: () => new Date(), log: () => undefined, site: {} };
  const options = localCa.options.parse({
    crlDistributionPoints: ['http://crl.example.com/ca.crl'],
    caIssuers: ['http://ca.example.com/ca.der'],
    ocsp: ['http://ocsp.example.com'],
  });
  const notBefore = new Date();
  const privateKey = await generatePrivateKey('ECCPRIME256V1');
  const signer = signerOf(privateKey);
  const root = await localCa.createAuthority(
    {
      subject: { commonName: 'Bench Root' },
      notBefore,
      notAfter: new Date(notBefore.getTime() + 10 * YEAR_MS),
      signer,
    },
    options,
    ctx,
  );
  const request = {
    csrPem: '',
    spkiDer: spkiOf(await generatePrivateKey('ECCPRIME256V1')),
    idempotencyKey: 'bench',
    terms: {
      subject: { commonName: 'www.example.com', country: 'CH', organization: 'Example' },
      subjectAltNames: [
        { type: 'dns', value: 'www.example.com' },
        { type: 'dns', value: 'example.com' },
      ],
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
      extensions: [],
      notBefore,
      notAfter: new Date(notBefore.getTime() + YEAR_MS / 4),
    },
  };
  const authority = { cacheKey: 'bench', certificatePem: root.chainPem[0], chainPem: [], signer };
  const save = () => Promise.reject(new Error('A local CA keeps no state.'));
  return { privateKey, issue: () => localCa.order({ request, authority, save }, options, ctx) };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/**
 * Leaves per second of the local CA against raw P-256 signatures per second over as many bytes; both with 8 in flight,
 * in alternating rounds. Rates are medians over the rounds, `ratio` the median of leaf/raw per round.
 */
export async function leafBench({ seconds = 5 } = {}) {
  stage('making leaves');
  const { privateKey, issue } = await prepare();
  const {
    chainPem: [leafPem],
  } = await issue();
  const tbs = randomBytes(parseCertificate(leafPem).tbsDer.length);
  const signRaw = promisify(cryptoSign);
  const raw = () => signRaw('sha256', tbs, privateKey);
  await rate(raw, 200);
  await rate(issue, 200);
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const roundMs = (seconds * 500) / ROUNDS;
    rounds.push({ raw: await rate(raw, roundMs), leaf: await rate(issue, roundMs) });
  }
  return {
    rawPerS: Math.round(median(rounds.map(({ raw }) => raw))),
    leafPerS: Math.round(median(rounds.map(({ leaf }) => leaf))),
    ratio: Number(median(rounds.map(({ raw, leaf }) => leaf / raw)).toFixed(2)),
  };
}

if (process.argv[1] === new URL(import.meta.url).pathname) console.log(await leafBench());
