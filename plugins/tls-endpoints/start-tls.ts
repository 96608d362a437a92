import type { Socket } from 'node:net';
import { refusal, Wire } from './wire.js';

/** How a server begins TLS: at once, or after a request in its own protocol. */
export type Protocol = 'tls' | keyof typeof requests;

/** What a request needs beside the connection. `domain`: the name of the server, or its address. */
interface Asked {
  wire: Wire;
  domain: string;
}

const mysqlTls = 0x0800;
/** CLIENT_LONG_PASSWORD, CLIENT_PROTOCOL_41, CLIENT_SSL and CLIENT_SECURE_CONNECTION; 16 MiB; utf8mb4. */
const mysqlSslRequest = Buffer.concat([Buffer.from('20000001018a0000000000012d', 'hex'), Buffer.alloc(23)]);

const smtpReply = /^(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*)?\n/;
const imapGreeting = /^\* (\w+)[^\n]*\n/;
const imapAnswer = /^(?:\*[^\n]*\n)*a (\w+)[^\n]*\n/;
const pop3Answer = /^([+-]\w+)[^\n]*\n/;

const requests = {
  /** RFC 3207. */
  smtp: async ({ wire }: Asked) => {
    await wire.expect(smtpReply, '220');
    await wire.ask(`EHLO ${wire.localLiteral}\r\n`, smtpReply, '250');
    await wire.ask('STARTTLS\r\n', smtpReply, '220');
  },
  /** RFC 9051 §6.2.1. */
  imap: async ({ wire }: Asked) => {
    await wire.expect(imapGreeting, 'OK');
    await wire.ask('a STARTTLS\r\n', imapAnswer, 'OK');
  },
  /** RFC 2595 §4. */
  pop3: async ({ wire }: Asked) => {
    await wire.expect(pop3Answer, '+OK');
    await wire.ask('STLS\r\n', pop3Answer, '+OK');
  },
  /** RFC 4511 §4.14: an ExtendedRequest, whose answer has the result code 0. */
  ldap: async ({ wire }: Asked) => {
    const oid = Buffer.from('1.3.6.1.4.1.1466.20037');
    wire.send(Buffer.concat([Buffer.from('301d02010177188016', 'hex'), oid]));
    if (ldapResult(await wire.berMessage()) !== 0) throw refusal();
  },
  /** PostgreSQL documentation, "SSL Session Encryption": SSLRequest. */
  postgres: async ({ wire }: Asked) => wire.ask(Buffer.from('0000000804d2162f', 'hex'), /^([^])/, 'S'),
  /** MySQL documentation, "Protocol::SSLRequest". */
  mysql: async ({ wire }: Asked) => {
    const greeting = await wire.take((await wire.take(4)).readUIntLE(0, 3));
    // Behind the version: thread id (4), the first part of the challenge (8) and a filler.
    const at = greeting.indexOf(0) + 1 + 13;
    if (greeting[0] !== 10 || greeting.length < at + 2 || (greeting.readUInt16LE(at) & mysqlTls) === 0) throw refusal();
    wire.send(mysqlSslRequest);
  },
  /** RFC 6120 §5.4. */
  xmpp: async ({ wire, domain }: Asked) => {
    const open = `<?xml version='1.0'?><stream:stream to='${domain}' version='1.0' xmlns='jabber:client' `;
    await wire.ask(
      `${open}xmlns:stream='http://etherx.jabber.org/streams'>`,
      /<(starttls)\b[^]*<\/(?:\w+:)?features>/,
      'starttls',
    );
    await wire.ask(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`, /<(proceed|failure)\b[^>]*>/, 'proceed');
  },
} satisfies Record<string, (asked: Asked) => Promise<void>>;

const usualPorts: Readonly<Record<number, Protocol>> = {
  25: 'smtp',
  110: 'pop3',
  143: 'imap',
  389: 'ldap',
  587: 'smtp',
  3306: 'mysql',
  5222: 'xmpp',
  5432: 'postgres',
};

/** The protocols that begin TLS on request. */
export const startTlsProtocols = Object.keys(requests);

export function isStartTlsProtocol(name: string): boolean {
  return Object.hasOwn(requests, name);
}

/** The usual port; undefined for TLS at once, which has many. */
export function portOfProtocol(protocol: Protocol): number | undefined {
  const [port] = Object.entries(usualPorts).find(([, one]) => one === protocol) ?? [];
  return port === undefined ? undefined : Number(port);
}

/** The protocol that usually has this port. */
export function protocolOfPort(port: number): Protocol {
  return usualPorts[port] ?? 'tls';
}

/**
 * Asks the server to begin TLS and returns when it is ready for a ClientHello. Throws an Error when the server refuses,
 * speaks another protocol or closes the connection, and the signal's reason when that is aborted.
 */
export async function startTls(
  protocol: Exclude<Protocol, 'tls'>,
  socket: Socket,
  domain: string,
  signal: AbortSignal,
): Promise<void> {
  await requests[protocol]({ wire: new Wire(socket, signal), domain });
}

/** Result code of an ExtendedResponse (RFC 4511 §4.12) in an LDAPMessage; -1 for any other message. */
function ldapResult(message: Buffer): number {
  const response = 2 + (message[1] ?? 0);
  const length = message[response + 1] ?? 0;
  const code = response + 2 + (length & 0x80 ? length & 0x7f : 0);
  return message[response] === 0x78 && message[code] === 0x0a ? (message[code + 2] ?? -1) : -1;
}
