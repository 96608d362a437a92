import { describe, expect, it } from 'vitest';
import { opensslCsr } from '../../../test/support/requests.js';
import { parseDn } from '../../pki/dn-text.js';
import { formatDn } from '../../pki/names.js';
import { systemActor } from '../../platform/http/actor.js';
import { readCsr, withSubject } from './csr-terms.js';
import { commandForCsr, commandForSubject, type IssueCommand } from './issue-command.js';
import { IssueRequest } from './issue.schema.js';

const actor = systemActor('test');
const defaults = {} as Parameters<typeof commandForSubject>[3];
const request = (more: object = {}): IssueRequest =>
  IssueRequest.parse({ owner: 'joe@example.com', authority: { id: 1 }, ...more });
const dns = (...values: string[]) => ({
  extensions: { subAltNames: { names: values.map((value) => ({ nameType: 'DNSName', value })) } },
});
const subjectOf = ({ terms: { subjectDer } }: IssueCommand): string => formatDn(subjectDer ?? Buffer.alloc(0));
const namesOf = ({ terms: { subjectAltNames } }: IssueCommand): string[] => subjectAltNames.map(({ value }) => value);

describe('the command for a whole subject', () => {
  const text = 'CN=www.example.com,CN=example.com,OU=Web,OU=Ops,O=Example,UID=7';
  const { der } = parseDn(text);

  it('keeps every attribute in order, and certifies each common name', () => {
    const command = commandForSubject(actor, request({ keyType: 'RSA2048' }), der, defaults);
    expect(subjectOf(command)).toBe(text);
    expect(namesOf(command).sort()).toEqual(['example.com', 'www.example.com']);
    expect(command.key).toEqual({ keyType: 'RSA2048' });
    expect(command.terms.keyUsage).toEqual(['digitalSignature', 'keyEncipherment']);
    expect(command.implied().subjectAltNames).toHaveLength(2);
  });

  it('tells the names that were asked for from those that follow', () => {
    const command = commandForSubject(actor, request(dns('www.example.com', 'a.example.com')), der, defaults);
    expect(namesOf(command).sort()).toEqual(['a.example.com', 'example.com', 'www.example.com']);
    expect(command.implied().subjectAltNames).toEqual([{ type: 'dns', value: 'example.com' }]);
  });

  it('has another mark with another subject', () => {
    const markOf = (dn: string) => commandForSubject(actor, request(), parseDn(dn).der, defaults, 'key-1').mark;
    expect(markOf('CN=a')).toEqual(markOf('CN=a'));
    expect(markOf('CN=a')?.sha256).not.toBe(markOf('CN=b')?.sha256);
  });
});

describe('the command for a CSR whose subject was replaced', () => {
  it('has that subject, and the key and names of the CSR', async () => {
    const { csrPem } = opensslCsr('/CN=old.example.com', ['-addext', 'subjectAltName=DNS:a.example.com'], 'ec');
    const csr = await readCsr(csrPem);
    const { der } = parseDn('CN=new.example.com,O=Example,UID=7');
    const command = commandForCsr(actor, request(), withSubject(csr, der), defaults, 'key-1');
    expect(subjectOf(command)).toBe('CN=new.example.com,O=Example,UID=7');
    expect(namesOf(command).sort()).toEqual(['a.example.com', 'new.example.com']);
    expect(command.key.csr).toMatchObject({ isOverridden: true, spkiDer: csr.spkiDer });
    expect(command.mark?.sha256).not.toBe(commandForCsr(actor, request(), csr, defaults, 'key-1').mark?.sha256);
  });
});
