import { eventually, type TestProgram } from './program.js';

/**
 * An id for each path that has one, by the plural before it or the name of the parameter: `certificates` for
 * `/certificates/{id}`.
 */
export type Ids = Record<string, string | number>;

/**
 * Fills a program with one of everything that went through as much as it can, deliveries into `folder`. The program
 * needs the plugin of scripted-ca.ts; its clock ends 50 days ahead.
 */
export async function fillProgram({ ok, clock, database }: TestProgram, folder: string): Promise<Ids> {
  const ids: Ids = {};
  const make = async (things: string, body: object): Promise<void> => {
    ids[things] = (await ok('POST', `/${things}`, body)).id;
  };
  await make('authorities', {
    name: 'root',
    owner: 'pki@example.com',
    commonName: 'Example Root',
    plugin: { id: 'local-ca', options: { ocsp: ['http://ocsp.example.com'] } },
  });
  const waiting = { name: 'waiting', owner: 'pki@example.com', commonName: 'Waiting CA' };
  ids['csrs'] = (await ok('POST', '/authorities/csrs', waiting)).id;
  await make('destinations', { label: 'web', plugin: { id: 'filesystem', options: { path: folder } } });
  await ok('PUT', `/destinations/${ids['destinations']}/filter`, { label: 'of-no-certificate' });
  await make('channels', { label: 'mail', plugin: { id: 'email', options: { recipients: 'ops@example.com' } } });
  await make('subscriptions', { label: 'revoked', channel: { label: 'mail' }, events: ['certificate.revoked'] });
  await make('channels', { label: 'spare', plugin: { id: 'email', options: { recipients: 'spare@example.com' } } });
  await make('notifications', { label: 'soon', plugin: { id: 'email', options: { recipients: 'ops@example.com' } } });
  const zones = { server: 'ns.example.com', zones: ['example.com'], keyName: 'k', keySecret: 'c2VjcmV0' };
  await make('dns_providers', { name: 'bind', plugin: { id: 'rfc2136', options: zones } });
  await make('profiles', { name: 'ours', rules: { keyTypes: ['ECCPRIME256V1'] } });
  await make('policies', { name: 'half', lifetimeFraction: 0.5 });
  await make('roles', { name: 'ops', description: 'Operators' });
  await make('users', {
    username: 'ann',
    email: 'ann@example.com',
    password: 'Correct-Horse-2!',
    roles: [{ name: 'ops' }],
  });
  ids['aid'] = (await ok('POST', '/keys', { name: 'script', ttl: 30, user: { id: ids['users'] } })).id;
  const certificate = await ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: 'www.example.com',
    authority: { name: 'root' },
    destinations: [{ label: 'web' }],
    notifications: [{ label: 'soon' }],
    rotationPolicy: { name: 'half' },
    validityDays: 90,
    roles: [{ name: 'ops' }],
    description: 'The web',
  });
  ids['certificates'] = certificate.id;
  const other = await ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: 'other.example.com',
    authority: { name: 'root' },
  });
  await ok('PUT', `/certificates/${other.id}/revoke`, {});
  ids['revocations'] = (await ok('POST', '/revocations', { ids: [other.id], dryRun: false })).run.id;
  const replaced = { ids: [other.id], reason: 'A test.', dryRun: false };
  ids['replacements'] = (await ok('POST', '/replacements', replaced)).run.id;
  const pause = { scope: 'certificate', certificate: { id: other.id }, reason: 'A test.' };
  ids['pauses'] = (await ok('POST', '/rotation/pauses', pause)).id;
  await ok('POST', '/authorities', {
    name: 'slow',
    owner: 'pki@example.com',
    commonName: 'Slow',
    plugin: { id: 'scripted-ca', options: { behaviour: 'refuses' } },
  });
  await ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: 'failed.example.com',
    authority: { name: 'slow' },
  });
  await make('domains', { name: 'bank.example.com', sensitive: true });
  ids['rules'] = (await ok('POST', '/domain-rules', { role: { name: 'ops' }, patterns: ['.example.com'] })).id;
  clock.advance(50 * 86_400_000);
  await eventually(async () => (await ok('GET', `/certificates/${certificate.id}`)).lifecycle === 'superseded');
  ids['deliveries'] = (await ok('GET', `/certificates/${certificate.id}/deliveries`)).items[0].id;
  ids['mails'] = (await eventually(async () => (await ok('GET', '/mails')).items[0])).id;
  ids['notices'] = (await eventually(async () => (await ok('GET', '/notices')).items[0])).id;
  ids['pending_certificates'] = certificate.id;
  ids['tasks'] = 'jobs.prune';
  await make('sources', {
    label: 'found',
    owner: 'joe@example.com',
    active: false,
    plugin: { id: 'filesystem-source', options: { path: folder } },
  });
  await ok('POST', `/sources/${ids['sources']}/sync`);
  await eventually(
    async () =>
      (await ok('GET', `/certificates/${certificate.id}/sources`)).total === 1 ||
      (await ok('GET', `/sources/${ids['sources']}`)).lastSync?.finishedAt,
  );
  // A server to look at would have to be on the public internet.
  const [endpoint] = await database.source.query<[{ id: number }]>(
    `insert into endpoint (source_id, external_id, port, name, dns_name, owner, type, certificate_id, policy_name,
      ciphers, first_seen_at, last_seen_at)
     values ($1, 'www.example.com:443', 443, 'www.example.com:443', 'www.example.com', 'joe@example.com', 'tls', $2,
     'observed', '[{"name": "Protocol-TLSv1", "deprecated": true}]', now(), now())
     returning id`,
    [ids['sources'], certificate.id],
  );
  ids['endpoints'] = endpoint.id;
  ids['orders'] = certificate.id;
  ids['files'] = 'fullchain.pem';
  return { ...ids, slug: 'filesystem', name: certificate.name, code: 'conflict' };
}
