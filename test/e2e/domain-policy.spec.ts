import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs, opensslCsr } from '../support/requests.js';

const password = 'Correct-Horse-2!';
let program: TestProgram;
/** Tokens: web and db may issue from both authorities; guard marks names, free may have any that is not sensitive. */
const tokens = { web: '', db: '', guard: '', free: '', reader: '' };
type Who = keyof typeof tokens;
const ids: Record<string, number> = {};

beforeAll(async () => {
  program = await startProgram({
    ALLOWED_DOMAINS: 'example.com, .example.com, .bücher.example, 10.0.0.0/8',
    SENSITIVE_DOMAIN_ROLES: 'guards',
  });
  const { ok } = program;
  for (const [name, more] of [
    ['root', {}],
    ['inside', { isPrivate: true }],
  ] as const) {
    ids[name] = (
      await ok('POST', '/authorities', { name, owner: 'pki@example.com', commonName: `Example ${name}`, ...more })
    ).id;
  }
  for (const name of ['guards', 'web-team', 'db-team']) ids[name] = (await ok('POST', '/roles', { name })).id;
  const { items } = await ok('GET', '/roles?count=200');
  const role = (name: string) => ({ id: items.find((one: { name: string }) => one.name === name).id });
  const issuers = [role('root_operator'), role('inside_operator')];
  const users: Record<Who, string[]> = {
    web: ['web-team'],
    db: ['db-team'],
    guard: ['guards'],
    free: ['global_cert_issuer'],
    reader: ['read-only', 'guards'],
  };
  for (const [username, roles] of Object.entries(users)) {
    await ok('POST', '/users', {
      username,
      email: `${username}@example.com`,
      password,
      roles: [...issuers, ...roles.map(role)],
    });
    tokens[username as Who] = await program.login(username, password);
  }
});
afterAll(() => program.stop());

const as = (who: Who, method: string, path: string, body?: unknown) =>
  program.call(method, path, body, { token: tokens[who] });
const san = (...names: [string, string][]) => ({
  extensions: { subAltNames: { names: names.map(([nameType, value]) => ({ nameType, value })) } },
});
const request = (changes: object) => ({ owner: 'web@example.com', authority: { name: 'root' }, ...changes });
const issue = (who: Who, changes: object) => as(who, 'POST', '/certificates', request(changes));

/** What is said to `who` about each of these common names: `issued` or the detail of the refusal. */
async function verdict(who: Who, changes: object): Promise<string> {
  const { status, body } = await issue(who, changes);
  return status === 200 ? 'issued' : `${status} ${body.detail}`;
}

describe('domains', () => {
  it('are listed and filtered, added once, and never deleted', async () => {
    await program.ok('POST', '/certificates', request({ commonName: 'listed.example.com' }));
    const {
      items: [listed],
      total,
    } = await program.ok('GET', '/domains?filter=name;LISTED.exam');
    expect([total, listed]).toEqual([1, { id: expect.any(Number), name: 'listed.example.com', sensitive: false }]);
    expect(await program.ok('GET', `/domains/${listed.id}`)).toEqual(listed);
    const made = await as('web', 'POST', '/domains', { name: 'Made.Example.com.' });
    expect(made).toMatchObject({ status: 200, body: { name: 'made.example.com', sensitive: false } });
    const again = await as('web', 'POST', '/domains', { name: 'made.example.com' });
    expect([again.status, again.body.detail]).toEqual([409, expect.stringContaining(`domain ${made.body.id}`)]);
    expect(await program.ok('POST', '/domains', { name: 'made.example.com', sensitive: true })).toEqual({
      ...made.body,
      sensitive: true,
    });
    expect((await program.call('POST', '/domains', { name: 'made.example.com', sensitive: true })).status).toBe(409);
    await program.ok('PUT', `/domains/${made.body.id}`, { sensitive: false });
    for (const method of ['DELETE', 'PATCH'])
      expect((await program.call(method, `/domains/${listed.id}`)).status).toBe(405);
    for (const body of [
      { name: 'a b' },
      { name: 'http://x' },
      { name: 'x.example.com', sensitive: 'perhaps' },
      { name: 'x.example.com', colour: 'red' },
    ]) {
      expect((await program.call('POST', '/domains', body)).status).toBe(400);
    }
  });

  it('are paged by a cursor, sorted by id or name', async () => {
    for (const sortBy of ['id', 'name']) {
      const all = (await program.ok('GET', `/domains?sortBy=${sortBy}&count=200`)).items;
      const { items, next } = await program.ok('GET', `/domains?sortBy=${sortBy}&count=1`);
      const rest = await program.ok('GET', `/domains?sortBy=${sortBy}&count=200&after=${next}`);
      expect([...items, ...rest.items]).toEqual(all);
    }
    for (const query of ['filter=colour;red', 'sortBy=sensitive', 'sensitive=perhaps', 'filter=id;x'])
      expect((await program.call('GET', `/domains?${query}`)).status).toBe(400);
  });

  it('are marked as sensitive by administrators and SENSITIVE_DOMAIN_ROLES only', async () => {
    const { id } = await program.ok('POST', '/domains', { name: 'mark.example.com' });
    for (const who of ['web', 'free', 'reader'] as const)
      expect((await as(who, 'PUT', `/domains/${id}`, { sensitive: true })).status, who).toBe(403);
    expect((await as('web', 'POST', '/domains', { name: 'other.example.com', sensitive: true })).status).toBe(403);
    expect(await as('guard', 'PUT', `/domains/${id}`, { id, name: 'mark.example.com', sensitive: true })).toMatchObject(
      { status: 200, body: { id, name: 'mark.example.com', sensitive: true } },
    );
    expect(
      (await program.call('PUT', `/domains/${id}`, { name: 'moved.example.com', sensitive: false })).body.reasons,
    ).toHaveProperty('name');
    expect((await program.ok('GET', '/domains?sensitive=true')).items).toEqual([
      { id, name: 'mark.example.com', sensitive: true },
    ]);
    expect((await program.call('PUT', '/domains/4711', { sensitive: true })).status).toBe(404);
  });
});

describe('a URI that names no host', () => {
  const urn = 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6';
  const asked = { commonName: 'Joe Doe', ...san(['uniformResourceIdentifier', urn]) };

  it('is issued only to roles above the allow-list, and the certificate renews', async () => {
    const { csrPem: csr } = opensslCsr('/CN=Joe Doe', ['-addext', `subjectAltName=URI:${urn}`], 'ec');
    for (const changes of [asked, { csr }])
      expect(await verdict('web', changes)).toMatch(`403 The URI ${urn} names no host`);
    const { status, body } = await issue('free', asked);
    expect(status).toBe(200);
    expect((await program.call('POST', `/certificates/${body.id}/reissue`, {})).status).toBe(200);
  });

  it('is issued to everybody by a private authority without a domain rule', async () => {
    expect(await verdict('web', { ...asked, authority: { name: 'inside' } })).toBe('issued');
  });
});

describe('a reserved subject', () => {
  const masters = { commonName: 'ok.example.com', organization: 'System:Masters' };
  const purposes = (...names: string[]) => ({
    extensions: { extendedKeyUsage: Object.fromEntries(names.map((name) => [name, true])) },
  });

  it('is issued for client authentication to administrators only, and the certificate renews', async () => {
    const client = { ...masters, ...purposes('useClientAuthentication') };
    const { csrPem: csr } = opensslCsr(
      '/CN=ok.example.com/O=Example/O=system:masters',
      ['-addext', 'extendedKeyUsage=clientAuth,serverAuth'],
      'ec',
    );
    for (const changes of [client, { csr }, { ...client, authority: { name: 'inside' } }])
      for (const who of ['web', 'free'] as const)
        expect(await verdict(who, changes)).toMatch(/^403 Only an administrator may request .*O=system:masters/);
    expect(await verdict('web', { ...masters, ...purposes('useServerAuthentication') })).toBe('issued');
    const { id } = await program.ok('POST', '/certificates', request(client));
    expect((await program.call('POST', `/certificates/${id}/reissue`, {})).status).toBe(200);
  });
});

describe('names outside the allow-list', () => {
  const refused = (name: string) => `403 Domain ${name} does not match allowed domain patterns`;

  it.each<[string, object, string]>([
    ['a name with an allowed one at its front', { commonName: 'a.example.com.evil.org' }, 'a.example.com.evil.org'],
    ['a name that only ends like an allowed one', { commonName: 'badexample.com' }, 'badexample.com'],
    ['a SAN', { commonName: 'www.example.com', ...san(['DNSName', 'www.evil.org']) }, 'www.evil.org'],
    ['a wildcard that reaches further', { commonName: '*.com' }, '*.com'],
    [
      'the host of an e-mail address',
      { commonName: 'Joe Doe', ...san(['rfc822Name', 'joe@evil.org']) },
      'joe@evil.org',
    ],
    [
      'the host of a URI',
      { commonName: 'Joe Doe', ...san(['uniformResourceIdentifier', 'spiffe://evil.org/x']) },
      'spiffe://evil.org/x',
    ],
    [
      'the host of a URI without slashes',
      { commonName: 'Joe Doe', ...san(['uniformResourceIdentifier', 'sip:joe@evil.org']) },
      'sip:joe@evil.org',
    ],
    ['an address', { commonName: 'www.example.com', ...san(['IPAddress', '192.0.2.1']) }, '192.0.2.1'],
    [
      'a common name that no client should read as a host',
      { commonName: 'web_1.evil.org', ...san(['DNSName', 'www.example.com']) },
      'web_1.evil.org',
    ],
    [
      'a common name with a space around it',
      { commonName: ' www.evil.org', ...san(['DNSName', 'www.example.com']) },
      ' www.evil.org',
    ],
  ])('are refused: %s', async (_, changes, name) => {
    expect(await verdict('web', changes)).toBe(refused(name));
  });

  it.each<[string, object]>([
    ['in capitals', { commonName: 'WWW.EXAMPLE.COM' }],
    ['as a wildcard', { commonName: '*.sub.example.com' }],
    ['in another alphabet', { commonName: 'a.BÜCHER.example' }],
    ['with a network', { commonName: '10.1.2.3' }],
    ['for a person', { commonName: 'Joe Doe', ...san(['rfc822Name', 'joe@example.com']) }],
  ])('do not include an allowed name %s', async (_, changes) => {
    expect(await verdict('web', changes)).toBe('issued');
  });

  it('are refused in every common name and SAN of a CSR', async () => {
    const evil = [
      ['/CN=www.evil.org'],
      ['/CN=ok.example.com/CN=www.evil.org'],
      ['/CN=ok.example.com', '-addext', 'subjectAltName=DNS:ok.example.com,DNS:www.evil.org'],
      ['/CN=ok.example.com/emailAddress=joe@www.evil.org'],
    ] as const;
    for (const [subject, ...args] of evil) {
      const { status, body } = await issue('web', { csr: opensslCsr(subject, args, 'ec').csrPem });
      expect([status, body.detail], subject).toEqual([403, expect.stringContaining('www.evil.org does not match')]);
    }
    expect(
      await verdict('web', {
        csr: opensslCsr(
          '/CN=ok.example.com',
          ['-addext', 'subjectAltName=DNS:ok.example.com,email:joe@example.com,URI:https://www.example.com/'],
          'ec',
        ).csrPem,
      }),
    ).toBe('issued');
  });

  it('are issued to admin and global_cert_issuer, and by a private authority', async () => {
    expect(await verdict('free', { commonName: 'free.evil.org' })).toBe('issued');
    expect(await verdict('web', { commonName: 'inside.evil.org', authority: { name: 'inside' } })).toBe('issued');
    await program.ok('POST', '/certificates', request({ commonName: 'admin.evil.org' }));
  });
});

describe('sensitive names', () => {
  beforeAll(async () => {
    for (const name of ['bank.example.com', '*.vault.example.com', '10.0.0.1'])
      ids[name] = (await program.ok('POST', '/domains', { name, sensitive: true })).id;
  });
  const refused = (name: string) =>
    `403 Domain ${name} has been marked as sensitive. Contact an administrator to issue the certificate.`;

  it.each([
    'bank.example.com',
    'BANK.example.com',
    'www.bank.example.com',
    '*.bank.example.com',
    '*.example.com',
    'a.vault.example.com',
    '10.0.0.1',
  ])('include %s', async (commonName) => {
    const shown = commonName.toLowerCase();
    for (const who of ['web', 'free'] as const) expect(await verdict(who, { commonName })).toBe(refused(shown));
    expect(await verdict('web', { commonName, authority: { name: 'inside' } })).toBe(refused(shown));
  });

  it.each(['mybank.example.com', 'example.com', 'vault.example.com', '*.other.example.com', '10.0.0.2'])(
    'do not include %s',
    async (commonName) => {
      expect(await verdict('web', { commonName })).toBe('issued');
    },
  );

  it('include the host of an e-mail address or a URI, and every common name of a CSR', async () => {
    expect(await verdict('web', { commonName: 'Joe Doe', ...san(['rfc822Name', 'joe@bank.example.com']) })).toBe(
      refused('joe@bank.example.com'),
    );
    expect(
      await verdict('web', { csr: opensslCsr('/CN=ok.example.com/CN=www.bank.example.com', [], 'ec').csrPem }),
    ).toBe(refused('www.bank.example.com'));
  });

  it('are issued to administrators and SENSITIVE_DOMAIN_ROLES, and to everybody once unmarked', async () => {
    expect(await verdict('guard', { commonName: 'guarded.bank.example.com' })).toBe('issued');
    const { id } = await program.ok('POST', '/domains', { name: 'short.example.com', sensitive: true });
    expect(await verdict('web', { commonName: 'short.example.com' })).toBe(refused('short.example.com'));
    await program.ok('PUT', `/domains/${id}`, { sensitive: false });
    expect(await verdict('web', { commonName: 'short.example.com' })).toBe('issued');
  });

  it('stop a reissue without the right, and an automatic renewal, and the owner is told', async () => {
    const rotated = async (who: Who, commonName: string): Promise<{ id: number }> =>
      (await issue(who, { commonName, rotation: true, validityDays: 90 })).body;
    const [web, guard] = [await rotated('web', 'later.example.com'), await rotated('guard', 'was.bank.example.com')];
    await program.ok('POST', '/domains', { name: 'later.example.com', sensitive: true });
    expect(await as('web', 'POST', `/certificates/${web.id}/reissue`)).toMatchObject({
      status: 403,
      body: { detail: refused('later.example.com').slice(4) },
    });

    program.clock.advance(70 * dayMs);
    const failed = await eventually(async () => {
      const one = await program.ok('GET', `/certificates/${web.id}`);
      return one.renewal.attempts > 0 && one;
    });
    expect(failed).toMatchObject({
      replacedBy: [],
      renewal: { detail: expect.stringContaining('later.example.com has been marked as sensitive') },
    });
    await eventually(async () =>
      (await program.ok('GET', '/mails?count=200')).items.find(({ subject }: { subject: string }) =>
        /later\.example\.com: renewal failed/.test(subject),
      ),
    );
    // What a privileged person had certified goes on; what one renews goes on from then.
    await eventually(async () => (await program.ok('GET', `/certificates/${guard.id}`)).replacedBy.length === 1);
    const renewed = await program.ok('POST', `/certificates/${web.id}/reissue`);
    program.clock.advance(70 * dayMs);
    await eventually(async () => (await program.ok('GET', `/certificates/${renewed.id}`)).replacedBy.length === 1);
  });
});

describe('domain rules', () => {
  const granted = (name: string) =>
    `403 Domain ${name} is not open to your roles at this authority. Contact an ` +
    'administrator for a domain rule that grants it.';
  let ruleId: number;

  it('grant names to roles, and every other name is refused as soon as a rule exists', async () => {
    expect(await verdict('db', { commonName: 'free-1.example.com' })).toBe('issued');
    const rule = await program.ok('POST', '/domain-rules', {
      role: { name: 'WEB-team' },
      patterns: ['.Web.example.com.', 'www.example.com'],
    });
    ruleId = rule.id;
    expect(rule).toEqual({
      id: expect.any(Number),
      role: { id: ids['web-team'], name: 'web-team' },
      authorityId: null,
      patterns: ['.web.example.com', 'www.example.com'],
      description: null,
    });
    expect(await verdict('web', { commonName: 'a.web.example.com' })).toBe('issued');
    expect(await verdict('web', { commonName: 'db.example.com' })).toBe(granted('db.example.com'));
    expect(await verdict('db', { commonName: 'a.web.example.com' })).toBe(granted('a.web.example.com'));
    expect(await verdict('db', { commonName: 'db.example.com', authority: { name: 'inside' } })).toBe('issued');
    expect(await verdict('free', { commonName: 'db.example.com' })).toBe('issued');
  });

  it('can be limited to one authority, and can be for every role', async () => {
    await program.ok('POST', '/domain-rules', { patterns: ['.dev.example.com'] });
    await program.ok('POST', '/domain-rules', {
      role: { id: ids['db-team'] },
      authorityId: ids['inside'],
      patterns: ['.'],
    });
    expect(await verdict('db', { commonName: 'x.dev.example.com' })).toBe('issued');
    expect(await verdict('db', { commonName: 'anything.example', authority: { name: 'inside' } })).toBe('issued');
    expect(await verdict('web', { commonName: 'a.web.example.com', authority: { name: 'inside' } })).toBe(
      granted('a.web.example.com'),
    );
  });

  it('for an authority apply to the authorities below it, unless an administrator made these private', async () => {
    const make = (name: string, parent: string, more: object = {}) =>
      program.ok('POST', '/authorities', {
        name,
        owner: 'web@example.com',
        commonName: `Example ${name}`,
        type: 'subca',
        parent: { name: parent },
        ...more,
      });
    await make('middle', 'inside', { pathLength: 1 });
    await make('low', 'middle');
    await make('freed', 'inside', { isPrivate: true });
    await program.ok('POST', '/users', {
      username: 'lou',
      email: 'lou@example.com',
      password,
      roles: [{ name: 'web@example.com' }, { id: ids['web-team'] }],
    });
    const token = await program.login('lou', password);
    const told = async (authority: string, commonName: string) => {
      const { status, body } = await program.call(
        'POST',
        '/certificates',
        request({ commonName, authority: { name: authority } }),
        { token },
      );
      return status === 200 ? 'issued' : `${status} ${body.detail}`;
    };
    for (const below of ['middle', 'low'])
      expect(await told(below, 'a.web.example.com')).toBe(granted('a.web.example.com'));
    expect(await told('freed', 'anything.example')).toBe('issued');
    const rule = await program.ok('POST', '/domain-rules', {
      role: { id: ids['web-team'] },
      authorityId: ids['inside'],
      patterns: ['.web.example.com'],
    });
    for (const below of ['middle', 'low']) expect(await told(below, 'a.web.example.com')).toBe('issued');
    expect(await told('low', 'x.dev.example.com')).toBe(granted('x.dev.example.com'));
    await program.ok('DELETE', `/domain-rules/${rule.id}`);
  });

  it('apply to the next request after a change, and their role cannot be deleted', async () => {
    await program.ok('PUT', `/domain-rules/${ruleId}`, { role: { name: 'web-team' }, patterns: ['www.example.com'] });
    expect(await verdict('web', { commonName: 'b.web.example.com' })).toBe(granted('b.web.example.com'));
    expect((await program.call('DELETE', `/roles/${ids['web-team']}`)).status).toBe(409);
    await program.ok('DELETE', `/domain-rules/${ruleId}`);
    expect((await program.call('GET', `/domain-rules/${ruleId}`)).status).toBe(404);
    expect(await verdict('web', { commonName: 'www.example.com' })).toBe(granted('www.example.com'));
  });

  it.each<[string, object, string]>([
    ['no names', { patterns: [] }, 'patterns'],
    ['what is no pattern', { patterns: ['/.*/'] }, 'patterns.0'],
    ['an unknown role', { role: { name: 'nobody' }, patterns: ['.'] }, 'role'],
    ['an unknown authority', { authorityId: 4711, patterns: ['.'] }, 'authorityId'],
    ['an unknown field', { patterns: ['.'], colour: 'red' }, 'colour'],
  ])('refuse %s', async (_, body, field) => {
    const { status, body: problem } = await program.call('POST', '/domain-rules', body);
    expect([status, Object.keys(problem.reasons)]).toEqual([400, [field]]);
  });

  it('let a renewal use rights of the requester and of an owner who accepted, not of one only named', async () => {
    const { id: ownerRole } = await program.ok('POST', '/roles', { name: 'team@example.com' });
    const rule = await program.ok('POST', '/domain-rules', { patterns: ['.team.example.com'] });
    const { items } = await program.ok('GET', '/users?count=200');
    const web = items.find(({ username }: { username: string }) => username === 'web');
    const make = async (commonName: string) =>
      (await issue('web', { owner: 'team@example.com', commonName, rotation: true, validityDays: 90 })).body;
    const withRoles = (roles: object[]) => program.ok('PUT', `/users/${web.id}`, { roles });
    const named = await make('named.team.example.com');
    await withRoles([...web.roles, { id: ownerRole }]);
    tokens.web = await program.login('web', password);
    const agreed = await make('agreed.team.example.com');
    const { body } = await issue('web', { commonName: 'given.team.example.com', rotation: true, validityDays: 90 });
    const given = await program.ok('PUT', `/certificates/${body.id}`, { owner: 'team@example.com' });
    await withRoles(web.roles);
    await program.ok('PUT', `/domain-rules/${rule.id}`, { role: { id: ownerRole }, patterns: ['.team.example.com'] });
    program.clock.advance(70 * dayMs);
    for (const { id } of [agreed, given])
      await eventually(async () => (await program.ok('GET', `/certificates/${id}`)).replacedBy.length === 1);
    const refusal = await eventually(async () => {
      const now = await program.ok('GET', `/certificates/${named.id}`);
      return now.renewal.attempts > 0 && now;
    });
    expect(refusal).toMatchObject({
      replacedBy: [],
      renewal: { detail: expect.stringContaining('named.team.example.com is not open to your roles') },
    });
  });

  it('let no renewal use the rights of a user whose account is not active', async () => {
    const rule = await program.ok('POST', '/domain-rules', {
      role: { name: 'db-team' },
      patterns: ['.closed.example.com'],
    });
    const { items } = await program.ok('GET', '/users?count=200');
    const { id: dbId } = items.find(({ username }: { username: string }) => username === 'db');
    const { body: certificate } = await issue('db', {
      commonName: 'a.closed.example.com',
      rotation: true,
      validityDays: 90,
    });
    await program.ok('PUT', `/users/${dbId}`, { active: false });
    program.clock.advance(70 * dayMs);
    await eventually(async () => (await program.ok('GET', `/certificates/${certificate.id}`)).renewal.attempts > 0);
    await program.ok('PUT', `/users/${dbId}`, { active: true });
    await program.ok('DELETE', `/domain-rules/${rule.id}`);
  });

  it('are changed by administrators only, and each change is in the audit log', async () => {
    for (const who of ['web', 'guard', 'free', 'reader'] as const) {
      expect((await as(who, 'POST', '/domain-rules', { patterns: ['.'] })).status).toBe(403);
      expect((await as(who, 'GET', '/domain-rules')).status).toBe(200);
    }
    const { items } = await program.ok('GET', '/logs?count=1000');
    expect(items.map(({ logType }: { logType: string }) => logType)).toEqual(
      expect.arrayContaining([
        'domain-rule.created',
        'domain-rule.changed',
        'domain-rule.deleted',
        'domain.changed',
        'domain.created',
      ]),
    );
  });
});
