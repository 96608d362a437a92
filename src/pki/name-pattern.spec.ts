import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ClaimedName, claimedNames, urisWithoutHost } from './claimed-names.js';
import { encodeSubject } from './names.js';
import * as der from './der/writer.js';
import { parseNamePattern } from './name-pattern.js';

const claim = (value: string): ClaimedName =>
  claimedNames({ subject: { commonName: value }, subjectAltNames: [] })[0] ?? { text: value, host: '' };
const covers = (pattern: string, value: string): boolean => parseNamePattern(pattern).covers(claim(value));

describe('a name pattern', () => {
  it.each<[string, string[], string[]]>([
    [
      'example.com',
      ['example.com', 'EXAMPLE.com.', 'admin@example.com', 'https://example.com:8443/x'],
      ['www.example.com', 'example.com.evil.org', 'badexample.com', '*.com', 'examplexcom'],
    ],
    [
      '.example.com',
      ['a.example.com', 'a.b.example.com', '*.example.com', '*.b.example.com', 'A.Example.COM.'],
      ['example.com', 'a.example.com.evil.org', 'aexample.com', '*.com', 'example.com@evil.org'],
    ],
    [
      '*.example.com',
      ['a.example.com', '*.example.com', 'f*.example.com'],
      ['a.b.example.com', '*.a.example.com', 'example.com', '.example.com'],
    ],
    [
      'api-*.example.com',
      ['api-1.example.com', 'api-.example.com', 'api-*.example.com'],
      ['*.example.com', 'api.example.com', 'xapi-1.example.com', 'api-1.b.example.com'],
    ],
    ['a*a*a.example.com', ['aaa.example.com', 'axaya.example.com'], ['aa.example.com', 'axay.example.com']],
    [
      'bücher.example',
      ['bücher.example', 'xn--bcher-kva.example', 'BÜCHER.example', 'bu\u0308cher.example'],
      ['bucher.example'],
    ],
    ['.', ['a.example.com', 'localhost', '*.com'], ['10.0.0.1']],
    ['10.0.0.0/8', ['10.1.2.3', 'https://10.9.9.9/'], ['11.0.0.1', '10.example.com', '::ffff:10.0.0.1']],
    ['10.0.0.1', ['10.0.0.1'], ['10.0.0.2', '110.0.0.1']],
    ['2001:db8::/33', ['2001:db8:7fff::1', '2001:DB8:0::1'], ['2001:db8:8000::1', '32.1.13.184']],
    ['0.0.0.0/0', ['203.0.113.9'], ['2001:db8::1', 'example.com']],
  ])('%s', (pattern, inside, outside) => {
    expect(inside.filter((name) => !covers(pattern, name))).toEqual([]);
    expect(outside.filter((name) => covers(pattern, name))).toEqual([]);
  });

  it.each([
    '',
    '..',
    'a..b',
    'a b',
    '/^x$/',
    'https://example.com',
    '10.0.0.0/33',
    '10.0.0.0/x',
    '10.0.0.0/8/8',
    '.*.example.com',
    '-a.example.com',
    `${'a'.repeat(64)}.com`,
    '.example.com|x',
  ])('refuses "%s"', (text) => {
    expect(() => parseNamePattern(text)).toThrow(/pattern|network/);
  });

  it('matches no name with an added prefix or suffix', () => {
    // Four numbers would be an IP address.
    const label = fc.stringMatching(/^[a-z][a-z0-9]{0,7}$/);
    fc.assert(
      fc.property(label, label, label, (a, b, tld) => {
        expect(covers(`.${b}.${tld}`, `${a}.${b}.${tld}.${a}`)).toBe(b === tld && tld === a);
        expect(covers(`${b}.${tld}`, `${a}${b}.${tld}`)).toBe(false);
      }),
    );
  });
});

describe('the names that a certificate claims', () => {
  it('are hosts of DNS names, e-mail addresses and URIs, and IP addresses, each once', () => {
    const names = claimedNames({
      subject: { commonName: 'WWW.example.com' },
      subjectAltNames: [
        { type: 'dns', value: 'www.example.com' },
        { type: 'email', value: 'joe@mail.example.com' },
        { type: 'uri', value: 'spiffe://trust.example.com/web' },
        { type: 'uri', value: 'https://[2001:db8::1]/' },
        { type: 'ip', value: '192.0.2.1' },
        { type: 'uri', value: 'urn:uuid:1' },
        { type: 'registeredId', value: '1.2.3' },
        { type: 'uri', value: 'spiffe://tr%75st.example.com/web' },
      ],
    });
    expect(names.map(({ host, ip }) => host ?? ip)).toEqual([
      'www.example.com',
      'mail.example.com',
      'trust.example.com',
      '2001:db8::1',
      '192.0.2.1',
    ]);
  });

  it('are found in the common name, however it is spelled', () => {
    const hosts = [
      ' www.example.com ',
      'www.example.com.',
      'www。example。com',
      'web_1.example.com',
      'joe@example.com',
      'https://www.example.com/x',
      'www.exa\u200bmple.com',
      'sip:joe@www.example.com',
    ].map((cn) => claim(cn).host);
    expect(hosts).toEqual([
      'www.example.com',
      'www.example.com',
      'www.example.com',
      'web_1.example.com',
      'example.com',
      'www.example.com',
      'www.example.com',
      'www.example.com',
    ]);
    expect(claimedNames({ subject: { commonName: 'Joe Example' }, subjectAltNames: [] })).toEqual([]);
  });

  it('include both hosts of a URI that clients read differently', () => {
    const [commonName, value] = ['https://a.example.com\\@evil.org/', 'https://b.example.com\\@evil.org/'];
    const names = claimedNames({ subject: { commonName }, subjectAltNames: [{ type: 'uri', value }] });
    expect(names).toEqual([
      { text: value, host: 'b.example.com' },
      { text: value, host: 'evil.org' },
      { text: commonName, host: 'a.example.com' },
    ]);
  });

  it.each<[string, string[]]>([
    ['sip:victim.example', ['victim.example']],
    ['sip:alice@victim.example', ['victim.example']],
    ['SIP:alice:secret@Victim.example:5061;transport=tls', ['alice', 'victim.example']],
    ['sips:intranet', ['intranet']],
    ['sip:alice@192.0.2.7', ['192.0.2.7']],
    ['sip:alice@[2001:db8::7]:5061', ['2001:db8::7']],
    ['sip:victim.example;a@ok.example', ['victim.example', 'ok.example']],
    ['sip:alice%40victim%2eexample', ['victim.example']],
    ['sip:alice@ok.example;maddr=victim.example', ['ok.example', 'victim.example']],
    ['xmpp:romeo@victim.example/phone', ['victim.example']],
    ['xmpp://guest@ok.example/support@victim.example', ['ok.example', 'victim.example']],
    ['acct:alice.b@victim.example', ['victim.example']],
    ['mailto:a@ok.example,b@victim.example?cc=c@third.example', ['ok.example', 'victim.example', 'third.example']],
    ['im:alice@victim.example', ['victim.example']],
    ['urn:victim.example:service', ['victim.example']],
    ['urn:x:_sip._tcp.victim.example', ['_sip._tcp.victim.example']],
    ['made-up:alice@victim.example', ['victim.example']],
    ['made-up:victim.example', ['victim.example']],
    ['https:victim.example', ['victim.example']],
    ['https:///victim.example/', ['victim.example']],
    ['made-up:///victim.example', ['victim.example']],
    ['https://victim.example/a.file?b@other.example', ['victim.example']],
    ['urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6', []],
    ['urn:ietf:params:1.2', []],
    ['tel:+41-44-000', []],
    ['made-up:one', []],
  ])('include the hosts that a client can read from %s: %j', (value, hosts) => {
    const carrier = { subject: {}, subjectAltNames: [{ type: 'uri' as const, value }] };
    const claimed = claimedNames(carrier).map(({ host, ip }) => host ?? ip);
    expect([...claimed].sort()).toEqual([...hosts].sort());
    expect(urisWithoutHost(carrier)).toEqual(hosts.length === 0 ? [value] : []);
  });

  it('include all common names of a DN', () => {
    const cn = (text: string): Buffer => der.setOf(der.sequence(der.oid('2.5.4.3'), der.utf8String(text)));
    const email = der.setOf(der.sequence(der.oid('1.2.840.113549.1.9.1'), der.ia5String('joe@mail.example.com')));
    const subjectDer = der.sequence(cn('a.example.com'), cn('b.example.com'), email);
    expect(
      claimedNames({ subject: { commonName: 'a.example.com' }, subjectDer, subjectAltNames: [] }).map(
        ({ host }) => host,
      ),
    ).toEqual(['a.example.com', 'b.example.com', 'mail.example.com']);
    expect(
      claimedNames({ subject: {}, subjectDer: encodeSubject({ organization: 'Example' }), subjectAltNames: [] }),
    ).toEqual([]);
  });
});
