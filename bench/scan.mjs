import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuMs } from './cpu.mjs';
import { issueNew, makeAuthority } from './issue.mjs';
import { query } from './postgres.mjs';
import { startProgram } from './program.mjs';
import { stage } from './report.mjs';

const serversFile = fileURLToPath(new URL('tls-servers.mjs', import.meta.url));
/** Different certificates among the servers. */
const certificates = 100;
const patienceMs = 600_000;

/**
 * How many TLS servers a second the program scans and stores: `sockets` local addresses, once with the connections that
 * every server takes, and once with those that find its versions besides.
 */
export async function scanBench({ server, folders, build, sockets }) {
  const databaseUrl = await server.database();
  const env = { ALLOWED_PRIVATE_HOSTS: '127.0.0.0/8', SWEEP_INTERVAL_S: '1' };
  const program = await startProgram({ build, databaseUrl, dataDir: await folders(), sockets: 4, env });
  const servers = fork(serversFile);
  try {
    await makeAuthority(program.caller);
    servers.send(await issuedForServers(program.caller));
    const [port] = await once(servers, 'message');
    const results = [];
    for (const probeVersions of [false, true])
      results.push({ probeVersions, ...(await scan({ ...program, databaseUrl, port, sockets, probeVersions })) });
    return results;
  } finally {
    servers.disconnect();
    await program.stop();
  }
}

async function issuedForServers(caller) {
  const issued = [];
  for (let n = 0; n < certificates; n += 1) {
    const { id, body, chain } = await issueNew(caller, n);
    const { key } = await caller.json('GET', `/certificates/${id}/key`);
    issued.push({ cert: `${body}\n${chain}`, key });
  }
  return issued;
}

/** Servers a second, and CPU time of the program for each in ms. */
async function scan({ caller, pid, databaseUrl, port, sockets, probeVersions }) {
  stage(`scanning ${sockets.toLocaleString('en')} TLS servers${probeVersions ? ' and their versions' : ''}`);
  const options = { hosts: networksOf(sockets), port, probeVersions, largeScan: true, atOnce: 128, perSecond: 5000 };
  const before = cpuMs(pid);
  const { id } = await caller.json('POST', '/sources', {
    label: `servers-${probeVersions}`,
    owner: 'network@example.com',
    plugin: { id: 'tls-endpoints', options },
  });
  for (const end = performance.now() + patienceMs; performance.now() < end; await sleep(500)) {
    const [sync] = await query(
      databaseUrl,
      `select state, endpoints, fault_detail as detail, trouble_list as troubles,
         extract(epoch from finished_at - started_at)::float8 as seconds
       from source_sync where source_id = $1 and finished_at is not null`,
      [id],
    );
    if (sync?.state === 'done' && sync.endpoints === sockets)
      return { perS: sockets / sync.seconds, cpuMs: (cpuMs(pid) - before) / sockets };
    if (sync) throw new Error(`The scan has seen ${sync.endpoints} servers: ${JSON.stringify(sync)}`);
  }
  throw new Error('The scan did not end.');
}

/** Exactly so many addresses from 127.1.0.0 on, as networks. */
function networksOf(count) {
  const networks = [];
  for (let first = 0; first < count;) {
    const bits = Math.floor(Math.log2(count - first));
    networks.push(`127.1.${Math.floor(first / 256)}.${first % 256}/${32 - bits}`);
    first += 2 ** bits;
  }
  return networks;
}
