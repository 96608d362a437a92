import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { query } from './postgres.mjs';
import { startProgram } from './program.mjs';
import { known, stage } from './report.mjs';

const require = createRequire(import.meta.url);
// The CA and its plugin are those of the tests, in TypeScript.
require('../test/support/typescript.cjs');
const { compilePlugin } = require('../test/support/child-plugin.ts');
const { Remote } = require('../test/chaos/remote.ts');

/** How long the CA takes for each answer: so long that it, and not the processor, bounds the rate of two workers. */
const waitMs = 2000;
const clients = 32;
const patienceMs = 300_000;

/** Renewals a second at a CA that waits, with one worker process and with two. */
export async function waitingBench({ server, folders, build, count }) {
  const ca = await Remote.start('ca', ['1']);
  const plugin = await compilePlugin('scripted-ca.issuer', 'childIssuer');
  try {
    await ca.call('late', waitMs);
    const caUrl = await ca.call('url');
    // The lane of an authority holds for all workers together; here each is to do as much as it can.
    const env = { ...plugin.env, SCRIPTED_CA_URL: caUrl, SWEEP_INTERVAL_S: '1', LANE_LIMITS: 'authority=64' };
    const results = [];
    for (const workers of [1, 2]) {
      stage(`renewing ${count} certificates at a CA that waits, with ${workers} worker${workers > 1 ? 's' : ''}`);
      results.push(await renewedPerS({ server, folders, build, env, count, workers }));
    }
    const [baselinePerS, perS] = results;
    return { perS, baselinePerS, ratio: perS / baselinePerS };
  } finally {
    await ca.kill();
    await plugin.remove();
  }
}

async function renewedPerS({ server, folders, build, env, count, workers }) {
  const databaseUrl = await server.database();
  const common = { ...env, ENCRYPTION_KEYS: randomBytes(32).toString('base64') };
  const start = async (role) =>
    startProgram({
      build,
      databaseUrl,
      dataDir: await folders(),
      sockets: clients,
      env: { ...common, PERENNIAL_ROLE: role },
    });
  const programs = [await start('api')];
  const stop = () => Promise.all(programs.splice(0).map((program) => program.stop()));
  try {
    const [{ caller }] = programs;
    const { id } = await caller.json('POST', '/authorities', {
      name: 'waits',
      owner: 'pki@example.com',
      plugin: { id: 'scripted-ca', options: { ca: 'Waits', behaviour: 'pending' } },
    });
    for (let worker = 0; worker < workers; worker++) programs.push(await start('worker'));
    const counted = async (where) =>
      (await query(databaseUrl, `select count(*)::int as count from certificate where ${where}`))[0].count;
    const until = async (reached) => {
      for (const end = performance.now() + patienceMs; !(await reached()); await sleep(100))
        if (performance.now() > end) throw new Error('The CA or the program does not finish.');
    };
    const request = (n) => ({
      owner: 'joe@example.com',
      authority: { id },
      commonName: `host-${n}.example.com`,
      validityDays: 90,
    });
    // Each answer waits for the CA, so that one after another would take minutes.
    let next = 0;
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (next < count) await caller.accepted('POST', '/certificates', request(next++));
      }),
    );
    await until(async () => (await counted(`state = 'issued'`)) === count);
    await query(
      databaseUrl,
      `update certificate set rotation = true, next_renewal_at = now(), not_before = now() - interval '81 days',
         not_after = now() + interval '9 days'`,
    );
    const begun = performance.now();
    await until(async () => (await counted(`renews_id is not null and state = 'issued'`)) === count);
    const perS = count / ((performance.now() - begun) / 1000);
    known(`${perS.toFixed(1)}/s`);
    return perS;
  } finally {
    await stop();
  }
}
