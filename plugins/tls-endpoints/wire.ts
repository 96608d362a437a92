import type { Socket } from 'node:net';

/** More than any server says before TLS. */
const mostBytes = 65_536;

/** The server does not begin TLS when it is asked. */
export function refusal(): Error {
  return new Error('it does not offer STARTTLS');
}

/** Reads a connection before TLS, and takes no more from it than it is asked for. */
export class Wire {
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
