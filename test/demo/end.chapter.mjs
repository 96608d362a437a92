import { setTimeout as sleep } from 'node:timers/promises';
import { verify } from './certificates.chapter.mjs';
import { expectSame, serialOf } from './expect.mjs';

/** What is due is done by sweeps every second: after so long it would have been. */
const settledMs = 4000;

/** A second start on the same folder, the moment at which a revoked certificate would have renewed, and the end. */
export async function end(stage, { web, successor, rootFile }) {
  const { narrator, program, folder } = stage;
  const before = await snapshot(program, web);
  await narrator.step('Send SIGINT', () => stop(program));
  await narrator.step('Start again on the same folder', async () => {
    await program.start();
    await program.signIn();
    const after = await snapshot(program, web);
    expectSame('what it finds', after, before);
    return { seen: `${after.certificates.length} certificates, ${after.authorities.length} authorities, the key` };
  });
  await narrator.step('Issue another certificate and verify it', async () => {
    const another = await program.post('/certificates', {
      owner: 'joe@example.com',
      commonName: 'again.example.com',
      authority: { name: 'issuing' },
      validityDays: 90,
    });
    await verify(folder, rootFile, another);
    return { seen: 'OK' };
  });
  await narrator.step('Wait until the revoked one would have renewed', () => staysRevoked(stage, successor));
  await narrator.step('Look for jobs and deliveries that failed', async () => {
    const [jobs, deliveries] = await Promise.all([
      program.get('/jobs?state=dead'),
      program.get('/deliveries?state=failing'),
    ]);
    expectSame('what failed', [...jobs.items, ...deliveries.items], []);
    return { seen: 'none' };
  });
  await narrator.step('Send SIGINT', () => stop(program));
}

async function stop(program) {
  expectSame('its exit code', await program.stop(), 0);
  expectSame('processes that are left', program.remains(), []);
  return { seen: 'exit code 0, no process is left' };
}

/** What must be the same after a start. Certificates as far as time does not change them. */
async function snapshot(program, { id }) {
  const listed = async (path) => (await program.get(path)).items;
  const [certificates, authorities, destinations, policies, notifications, deliveries] = await Promise.all(
    ['/certificates?count=100', '/authorities', '/destinations', '/policies', '/notifications', '/deliveries'].map(
      listed,
    ),
  );
  const lasting = ({ id, name, lifecycle, serialHex, replaces, replacedBy }) => ({
    id,
    name,
    lifecycle,
    serial: serialOf(serialHex),
    replaces,
    replacedBy,
  });
  const { key } = await program.get(`/certificates/${id}/key`);
  return {
    certificates: certificates.map(lasting),
    authorities,
    destinations,
    policies,
    notifications,
    deliveries,
    key,
  };
}

/** `before`: the certificate as it was before its revocation, with the moments for which it was planned. */
async function staysRevoked({ program, mailbox }, before) {
  const mails = mailbox.mails.length;
  const planned = Math.max(Date.parse(before.renewal.at), Date.parse(before.nextNoticeAt));
  await sleep(Math.max(0, planned + settledMs - Date.now()));
  const now = await program.get(`/certificates/${before.id}`);
  expectSame('its state', now.lifecycle, 'revoked');
  expectSame('its successors', now.replacedBy, []);
  expectSame(
    'mails since',
    mailbox.mails.slice(mails).map(({ subject }) => subject),
    [],
  );
  return { seen: 'no successor, no mail' };
}
