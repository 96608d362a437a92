import type { Socket } from 'node:net';

/** How a server begins TLS: at once, or after a request in its own protocol. */
export type Protocol = 'tls' | keyof typeof requests;

/** What a request needs beside the connection. `domain`: the name of the server, or its address. */
interface Asked {
  wire: Wire;
  domain: string;
}

const mostBytes = 65_536;
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

function refusal(): Error {
  return new Error('it does not offer STARTTLS');
}

/** Result code of an ExtendedResponse (RFC 4511 §4.12) in an LDAPMessage; -1 for any other message. */
function ldapResult(message: Buffer): number {
  const response = 2 + (message[1] ?? 0);
  const length = message[response + 1] ?? 0;
  const code = response + 2 + (length & 0x80 ? length & 0x7f : 0);
  return message[response] === 0x78 && message[code] === 0x0a ? (message[code + 2] ?? -1) : -1;
}

/** Reads a connection before TLS, and takes no more from it than it is asked for. */
class Wire {
  private received = Buffer.alloc(0);

  constructor(
    private readonly socket: Socket,
    private readonly signal: AbortSignal,
  ) {}

  /** This end as an address literal (RFC 5321 §4.1.3). */
  get localLiteral(): string {
    const { localAddress = '127.0.0.1', localFamily } = this.socket;
    return localFamily === 'IPv6' ? `[IPv6:${localAddress}]` : `[${localAddress}]`;
  }

  send(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  async ask(bytes: Buffer | string, pattern: RegExp, wanted: string): Promise<void> {
    this.send(bytes);
    await this.expect(pattern, wanted);
  }

  /** Reads until the pattern matches. Throws unless its first group is `wanted`. */
  async expect(pattern: RegExp, wanted: string): Promise<void> {
    let match = pattern.exec(this.received.toString('latin1'));
    for (; match === null; match = pattern.exec(this.received.toString('latin1'))) await this.more();
    this.received = this.received.subarray(match.index + match[0].length);
    if (match[1] !== wanted) throw refusal();
  }

  async take(length: number): Promise<Buffer> {
    while (this.received.length < length) await this.more();
    const taken = this.received.subarray(0, length);
    this.received = this.received.subarray(length);
    return taken;
  }

  /** The content of one BER SEQUENCE. */
  async berMessage(): Promise<Buffer> {
    const [tag, short = 0] = await this.take(2);
    if (tag !== 0x30) throw new Error('it speaks another protocol');
    const length = short & 0x80 ? await this.take(short & 0x7f) : Buffer.of(short);
    return this.take(length.length > 6 ? mostBytes + 1 : length.readUIntBE(0, length.length));
  }

  private async more(): Promise<void> {
    if (this.received.length > mostBytes) throw new Error('it speaks another protocol');
    this.received = Buffer.concat([this.received, await nextBytes(this.socket, this.signal)]);
  }
}

function nextBytes(socket: Socket, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      socket.off('readable', readable).off('error', failed).off('close', closed);
      signal.removeEventListener('abort', aborted);
      settle();
    };
    const readable = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes !== null) end(() => resolve(bytes));
      else if (socket.readableEnded) closed();
    };
    const failed = (error: Error): void => end(() => reject(error));
    const closed = (): void => failed(new Error('closed'));
    const aborted = (): void => failed(signal.reason as Error);
    socket.on('readable', readable).on('error', failed).on('close', closed);
    signal.addEventListener('abort', aborted, { once: true });
    if (signal.aborted) aborted();
    else if (socket.destroyed) closed();
    else readable();
  });
}
