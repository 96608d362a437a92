import { fork } from 'node:child_process';
import { once } from 'node:events';
import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Caller } from './caller.mjs';
import { cpuMs } from './cpu.mjs';
import { costLevel, levels } from './levels.mjs';
import { load, median, quantile } from './load.mjs';
import { query } from './postgres.mjs';
import { startProgram } from './program.mjs';
import { stage } from './report.mjs';
import { roundTripsOf } from './round-trips.mjs';

const { buildCsr } = createRequire(import.meta.url)('../dist/src/pki/csr.js');
const bareFile = fileURLToPath(new URL('bare.mjs', import.meta.url));

const teams = 20;
const authority = 'bench';
const sockets = Math.max(...levels);
/** On a machine with much memory V8 collects late without it: memory would then grow that nothing holds. */
const heapMiB = 150;

/** Creates the authority of the bench, with every URL that a certificate can carry. */
export function makeAuthority(caller) {
  const options = {
    crlDistributionPoints: ['http://crl.example.com/ca.crl'],
    caIssuers: ['http://ca.example.com/ca.der'],
    ocsp: ['http://ocsp.example.com'],
  };
  return caller.json('POST', '/authorities', {
    name: authority,
    owner: 'pki@example.com',
    commonName: 'Bench Root',
    plugin: { id: 'local-ca', options },
  });
}

/** Issues one more certificate; the program generates its key. */
export function issueNew(caller, n) {
  return caller.json('POST', '/certificates', {
    owner: `team-${n % teams}@example.com`,
    authority: { name: authority },
    commonName: `new-${n}.bench.example.com`,
    validityDays: 90,
  });
}

/** Requests with distinct keys and names, made before they are needed to keep the measurement clean. */
export class Requests {
  bodies = [];

  async fill(count) {
    while (this.bodies.length < count) this.bodies.push(await requestOf(this.bodies.length));
  }
}

async function requestOf(n) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const host = `host-${String(n).padStart(6, '0')}.bench.example.com`;
  const csr = await buildCsr(
    {
      subject: { commonName: host, organization: 'Example', country: 'CH' },
      subjectAltNames: [
        { type: 'dns', value: host },
        { type: 'dns', value: `www.${host}` },
      ],
    },
    privateKey,
  );
  const owner = `team-${n % teams}@example.com`;
  return JSON.stringify({ owner, authority: { name: authority }, csr, validityDays: 90 });
}

/**
 * One program that issues, in a process and on a database of its own. It is stopped (SIGSTOP) outside of its own
 * rounds, so that all the work of the machine and of the server is its work.
 */
class Contender {
  next = 0;

  /** `settled`: resolves when nothing is left to do for what was issued. */
  constructor({ requests, pid, caller, stop, settled = async () => undefined }) {
    Object.assign(this, { requests, pid, caller, stop, settled });
  }

  issue(caller = this.caller) {
    const body = this.requests.bodies[this.next++];
    if (body === undefined) throw new Error('The prepared requests are used up.');
    return caller.text('POST', '/certificates', body);
  }

  /** Until the compiler of Node knows the program. */
  async warmUp(server, certificates) {
    await this.during(server, async () => {
      for (let last = this.next + certificates; this.next < last;)
        await Promise.all(Array.from({ length: costLevel }, () => this.issue()));
      await this.settled();
    });
  }

  /** One round: rate, latencies, and what one certificate costs the process and the server. */
  async round(server, { clients, ms }) {
    const first = this.next;
    const { result, cost } = await this.during(server, async () => {
      const loaded = await load(() => this.issue(), { clients, ms });
      await this.settled();
      return loaded;
    });
    const each = Object.entries(cost).map(([name, value]) => [name, value / (this.next - first)]);
    return { ...result, cost: Object.fromEntries(each) };
  }

  /** Lets the process run during `work`, and gives its result, and what all of it cost. */
  async during(server, work) {
    process.kill(this.pid, 'SIGCONT');
    const [before, cpu] = [await server.cost(), cpuMs(this.pid)];
    const result = await work();
    const [after, programMs] = [await server.cost(), cpuMs(this.pid) - cpu];
    process.kill(this.pid, 'SIGSTOP');
    const ofServer = Object.entries(after).map(([name, value]) => [name, value - before[name]]);
    return { result, cost: { programMs, ...Object.fromEntries(ofServer) } };
  }
}

/** A row when events are not sealed. */
const unsealed = `select from audit_event having count(*) > coalesce((select seq from audit_head), 0)`;

async function startContender({ server, requests, build, dataDir }) {
  const databaseUrl = await server.database();
  const program = await startProgram({ build, databaseUrl, dataDir, sockets, heapMiB });
  await makeAuthority(program.caller);
  // The audit log is sealed a moment after a certificate is stored.
  const settled = async () => {
    while ((await query(databaseUrl, unsealed)).length > 0) await sleep(100);
  };
  return Object.assign(new Contender({ requests, ...program, settled }), { build, databaseUrl, dataDir });
}

async function startBare({ server, requests, rowBytes }) {
  const child = fork(bareFile, [await server.database(), String(rowBytes)]);
  const [port] = await once(child, 'message');
  const stop = () => {
    child.kill('SIGCONT');
    child.disconnect();
    return once(child, 'exit');
  };
  return new Contender({
    requests,
    pid: child.pid,
    caller: new Caller(`http://127.0.0.1:${port}/bare`, sockets),
    stop,
  });
}

/**
 * Issues with the program that is built here, with the one in `baseline` if it is given, and with a bare handler, in
 * alternating rounds. For each: rate, latencies in ms and cost by level, as medians over the rounds, and round trips;
 * `running` is the program here, which goes on.
 */
export async function issueBench({ server, folders, build, baseline, rounds, roundMs, warmUp }) {
  const requests = new Requests();
  await requests.fill(teams);
  const running = await startContender({ server, requests, build, dataDir: await folders() });
  const before = baseline && (await startContender({ server, requests, build: baseline, dataDir: await folders() }));
  const programs = before ? [running, before] : [running];
  try {
    for (const program of programs) for (let i = 0; i < teams; i++) await program.issue();
    const rowBytes = await rowBytesOf(running);
    const bare = await startBare({ server, requests, rowBytes });
    const all = [...programs, bare];
    try {
      for (const one of all) process.kill(one.pid, 'SIGSTOP');
      const results = await measure({ server, requests, all, rounds, roundMs, warmUp });
      const [here, ofBare] = [results[0], results.at(-1)];
      for (const one of programs) await verifyStored(one);
      await before?.stop();
      process.kill(running.pid, 'SIGCONT');
      stage('counting round trips');
      here.roundTrips = await tripsOf(running, requests, roundMs);
      if (before) results[1].roundTrips = await tripsOf(before, requests, roundMs);
      return { running, rowBytes, here, before: before && results[1], bare: ofBare };
    } finally {
      await bare.stop();
    }
  } catch (error) {
    await Promise.all(programs.map((one) => one.stop()));
    throw error;
  }
}

async function measure({ server, requests, all, rounds, roundMs, warmUp }) {
  const results = all.map(() => Object.fromEntries(levels.map((clients) => [clients, []])));
  stage('issuing: warming up');
  for (const one of all) {
    await requests.fill(one.next + warmUp + costLevel);
    await one.warmUp(server, warmUp);
  }
  for (let round = 0; round < rounds; round++) {
    stage(`issuing: round ${round + 1} of ${rounds}`);
    for (const clients of levels)
      for (const [i, one] of all.entries()) {
        await requests.fill(one.next + Math.ceil(roundMs * 3) + 100);
        results[i][clients].push(await one.round(server, { clients, ms: roundMs }));
      }
  }
  return results.map((ofOne) => Object.fromEntries(levels.map((clients) => [clients, summary(ofOne[clients])])));
}

function summary(measured) {
  const latencies = measured.flatMap((round) => round.latencies).sort((a, b) => a - b);
  const middle = (name) => median(measured.map(({ cost }) => cost[name]));
  return {
    perS: median(measured.map(({ perS }) => perS)),
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    programMs: middle('programMs'),
    postgresMs: middle('postgresMs'),
    walBytes: middle('walBytes'),
    commits: middle('commits'),
  };
}

async function tripsOf(one, requests, roundMs) {
  const count = Math.ceil(roundMs / 10);
  await requests.fill(one.next + count + 100);
  const { build, databaseUrl, dataDir } = one;
  return roundTripsOf({ build, databaseUrl, dataDir, count, issue: (caller) => one.issue(caller) });
}

async function rowBytesOf({ databaseUrl }) {
  const [{ bytes }] = await query(databaseUrl, 'select avg(pg_column_size(c.*))::int as bytes from certificate c');
  return bytes;
}

async function verifyStored({ databaseUrl, next }) {
  const [{ stored }] = await query(
    databaseUrl,
    `select count(*)::int as stored from certificate where state = 'issued'`,
  );
  if (stored !== next) throw new Error(`${next} certificates were issued, but ${stored} are stored.`);
}
