import { describe, expect, it } from 'vitest';
import { encodeSubject, subjectFieldsOf } from '../pki/names.js';
import { loadTerms, storeTerms, type TermsWithoutDates } from './terms.js';

const usual = { commonName: 'a.example.com', organization: 'Example', country: 'ch' };
const terms = (subjectDer: Buffer, subject = subjectFieldsOf(subjectDer)): TermsWithoutDates => ({
  subject,
  subjectDer,
  subjectAltNames: [],
  keyUsage: [],
  extendedKeyUsage: [],
  extensions: [],
});
/** The order of RDNs is that of an LDAP directory. */
const rdns = [{ commonName: 'a.example.com' }, { country: 'CH' }].map((one) => encodeSubject(one).subarray(2));
const reversed = Buffer.concat([Buffer.from([0x30, rdns.reduce((sum, { length }) => sum + length, 0)]), ...rdns]);

describe('stored terms', () => {
  it.each([
    ['is encoded from the six members', encodeSubject(usual), undefined],
    ['has another order', reversed, undefined],
    ['has other members than those that are stored beside it', encodeSubject(usual), { commonName: 'b.example.com' }],
    ['has members that cannot be encoded', encodeSubject(usual), { country: 'Switzerland' }],
  ])('give back the subject when it %s', (_, subjectDer, subject) => {
    const { subjectDer: loaded, subject: members } = loadTerms(storeTerms(terms(subjectDer, subject)));
    expect(loaded ?? encodeSubject(members)).toEqual(subjectDer);
  });

  it('repeat no subject that is encoded from the six members', () => {
    expect(storeTerms(terms(encodeSubject(usual)))).not.toHaveProperty('subjectDer');
    expect(storeTerms(terms(reversed))).toHaveProperty('subjectDer');
  });
});
