import { join } from 'node:path';
import { expectMatch, expectSame } from './expect.mjs';

const year = (instant) => instant.slice(0, 4);

/**
 * A program on an empty folder, two authorities, and where certificates go and who hears of them. Gives the root's PEM.
 */
export async function setUp({ narrator, program, mailbox, folder }) {
  await narrator.step('Start on an empty folder', async () => {
    await program.start();
    return { seen: `${program.url}, embedded database` };
  });
  await narrator.step('Sign in', async () => {
    await program.signIn();
    const { username } = await program.get('/auth/me');
    expectSame('the account', username, 'admin');
    return { seen: `as ${username}` };
  });
  const { authority: root } = await narrator.step('Make a root authority', () => makeRoot(program));
  await narrator.step('Make an issuing authority under it', () => makeIssuing(program, root));
  await narrator.step('Set up destination, policy and notification', async () => {
    await makeDestination(program, join(folder, 'deployed'));
    await program.post('/policies', { name: 'demo', lifetimeFraction: 0.6 });
    await program.post('/notifications', {
      label: 'soon',
      plugin: { id: 'email', options: { interval: 1, unit: 'minutes', recipients: 'ops@example.com' } },
    });
    expectSame('mails so far', mailbox.describe(), 'no mail at all');
    return { seen: 'a folder, 60 % of the lifetime left, mail to ops@example.com' };
  });
  return { rootPem: root.authorityCertificate.body };
}

async function makeRoot(program) {
  const authority = await program.post('/authorities', {
    name: 'root',
    owner: 'pki@example.com',
    commonName: 'Example Root',
    keyType: 'ECCSECP384R1',
    validityYears: 20,
  });
  const { keyType, notAfter } = authority.authorityCertificate;
  expectMatch('its key', keyType, /^EC/);
  return { authority, seen: `${keyType}, until ${year(notAfter)}` };
}

async function makeIssuing(program, root) {
  const { authorityCertificate: issued, parentId } = await program.post('/authorities', {
    name: 'issuing',
    type: 'subca',
    parent: { name: 'root' },
    owner: 'pki@example.com',
    commonName: 'Example Issuing CA',
    keyType: 'RSA2048',
    validityYears: 5,
  });
  expectSame('what stands above it', parentId, root.id);
  expectMatch('its key', issued.keyType, /^RSA/);
  return { seen: `${issued.keyType}, until ${year(issued.notAfter)}, signed by Example Root` };
}

/** The owner of the deployed files: somebody else than this process where it may give files away. */
export const fileOwner = process.getuid() === 0 ? { uid: 1, gid: 1 } : { uid: process.getuid(), gid: process.getgid() };

async function makeDestination(program, path) {
  const { id } = await program.post('/destinations', {
    label: 'web',
    plugin: {
      id: 'filesystem',
      options: { path, owner: `${fileOwner.uid}:${fileOwner.gid}`, mode: '0640', reload: 'web' },
    },
  });
  const { plugin } = await program.get(`/destinations/${id}`);
  expectSame('the folder', plugin.options.path, path);
}
