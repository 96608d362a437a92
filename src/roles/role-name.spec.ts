import { describe, expect, it } from 'vitest';
import { isReserved, OwnerName, RoleName } from './role-name.js';

const disguised = [
  'ADMIN',
  'ａｄｍｉｎ',
  'аdmin',
  'аԁміп',
  'àdmín',
  'ad min',
  'admin.',
  'ADMİN',
  'admın',
  'Opеrator',
  'ореrаtоr',
  'read only',
  'Read_Only',
  'readonly',
  'Global-Cert-Issuer',
  'сreator',
  'ⅽreator',
  'adm1n',
  'adm|n',
  'AdmIn',
  '0perator',
  'admln',
];
const invisible = ['ad\u200bmin', 'admin\u00ad', '\u202enimda', 'team\u200d', 'a\u2028b', '\ufeffadmin', 'a\u{e0061}'];

it.each([...disguised, ...invisible])('takes %j for what it looks like', (name) => {
  expect(RoleName.safeParse(name).success).toBe(false);
});

it.each(disguised)('takes %j for reserved wherever it stands', (name) => {
  expect(isReserved(name)).toBe(true);
});

it.each(['administrators', 'web-admin', 'operators', 'Читатели', 'αδμιν team', '管理者', 'creators'])(
  'does not take %j for reserved',
  (name) => {
    expect(isReserved(name)).toBe(false);
    expect(RoleName.parse(name)).toBe(name);
  },
);

describe.each([
  ['RoleName', RoleName],
  ['OwnerName', OwnerName],
] as const)('%s', (_, schema) => {
  it.each([
    'admin',
    'Operator',
    ' READ-ONLY ',
    'global_cert_issuer',
    'creator',
    'Creator',
    '',
    '  ',
    'a\u0000b',
    'a\nb',
    'x'.repeat(129),
  ])('refuses %j', (name) => {
    expect(schema.safeParse(name).success).toBe(false);
  });
});

it.each(['web@example.com', 'acme_admin', 'Équipe réseau', 'x'.repeat(128)])('lets a role be called %j', (name) => {
  expect(RoleName.parse(` ${name} `)).toBe(name);
});

it.each(['team-x', 'team @ example.com', 'a@example.com, b@example.com', 'Joe <joe@example.com>'])(
  'takes no owner %j, who could not be told',
  (name) => {
    expect(OwnerName.safeParse(name).success).toBe(false);
  },
);

it('lower-cases owners and leaves roles as they are written', () => {
  expect(OwnerName.parse('Web@Example.com')).toBe('web@example.com');
  expect(RoleName.parse('Web')).toBe('Web');
});

it.each(['a@example.xn--p1ai', 'a/b@example.com', 'a+b.c@mail.example.travel', "o'neil@x-1.example"])(
  'lets %j be an owner',
  (name) => {
    expect(OwnerName.parse(name)).toBe(name);
  },
);

it.each(['a..b@example.com', '.a@example.com', 'a b@example.com', 'a,b@example.com', 'a@example.1', 'a@-x.example'])(
  'refuses %j as an owner',
  (name) => {
    expect(OwnerName.safeParse(name).success).toBe(false);
  },
);
