import { describe, expect, it } from 'vitest';
import { opensslCsr } from '../../../test/support/requests.js';
import { readCsr, termsOfCsr } from './csr-terms.js';
import { type GivenContent, subjectOfAttributes, withContent } from './given-content.js';

const attributes = [
  { oid: '2.5.4.10', value: 'Example' },
  { oid: '2.5.4.3', value: 'www.example.com' },
];
const content = (more: Partial<GivenContent> = {}): GivenContent => ({
  subjectDer: subjectOfAttributes(attributes, 'subject'),
  subjectAltNames: [{ type: 'dns', value: 'www.example.com' }],
  keyUsage: ['digitalSignature'],
  extendedKeyUsage: [],
  extensions: [],
  ...more,
});
const csrOf = (subject: string, ...extensions: string[]) =>
  readCsr(
    opensslCsr(
      subject,
      extensions.flatMap((extension) => ['-addext', extension]),
      'ec',
    ).csrPem,
  );
const own = '/O=Example/CN=www.example.com';
const ownName = 'subjectAltName=DNS:www.example.com';

describe('withContent', () => {
  it('leaves of a CSR the key alone', async () => {
    const csr = await csrOf('/CN=evil.example.com', 'subjectAltName=DNS:evil.example.com', 'basicConstraints=CA:TRUE');
    const changed = withContent(csr, content());
    expect(changed.subject).toBe('CN=www.example.com,O=Example');
    expect(changed.spkiDer).toEqual(csr.spkiDer);
    const terms = termsOfCsr(changed, { owner: 'a@example.com' });
    expect(terms.subjectAltNames).toEqual([{ type: 'dns', value: 'www.example.com' }]);
    expect(terms.keyUsage).toEqual(['digitalSignature']);
    expect(terms.extensions).toEqual([]);
  });

  it.each([
    ['asks for the same', own, [ownName], false],
    ['asks for the same, usage included', own, [ownName, 'keyUsage=critical,digitalSignature'], false],
    ['has another subject', '/CN=www.example.com', [ownName], true],
    ['has attributes in another order', '/CN=www.example.com/O=Example', [ownName], true],
    ['has one more name', own, [`${ownName},DNS:more.example.com`], true],
    ['has no names', own, [], true],
    ['has a name of a rare kind', own, [`${ownName},otherName:1.2.3.4;UTF8:x`], true],
    ['has another usage', own, [ownName, 'keyUsage=keyAgreement'], true],
    ['has a purpose', own, [ownName, 'extendedKeyUsage=clientAuth'], true],
    ['has another extension', own, [ownName, 'tlsfeature=status_request'], true],
    ['asks for a CA', own, [ownName, 'basicConstraints=critical,CA:TRUE'], true],
  ])(
    'says whether an issuer that reads the CSR itself reads the same: one that %s',
    async (_, subject, more, differs) => {
      expect(withContent(await csrOf(subject, ...more), content()).isOverridden).toBe(differs);
    },
  );

  it('blames the subject for what an attribute cannot hold, and an attribute for its OID', async () => {
    const country = subjectOfAttributes([{ oid: '2.5.4.6', value: 'AUT' }], 'subject');
    const csr = await csrOf(own);
    expect(() => withContent(csr, content({ subjectDer: country }))).toThrow(/two letters/);
    for (const oid of ['', '2.5.4.x', '3.1', '1', '1.40.1', '2.5.4.3 '])
      expect(() => subjectOfAttributes([{ oid, value: 'a' }], 'subject'), oid).toThrow(/object identifier/);
  });
});
