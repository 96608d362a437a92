import type { LoggerService } from '@nestjs/common';
import { pino, type DestinationStream, type LevelWithSilent } from 'pino';
import { escapeUnprintable } from './printable.js';

/** Logs one line: fields (ids, counts, `err`), then the message. Values of fields with secret names are replaced. */
export type LogLine = (fields: object, text: string) => void;

/** The log of the program, as JSON lines (see `createLog`); also the injection token. */
export abstract class Log {
  abstract debug: LogLine;
  abstract info: LogLine;
  abstract warn: LogLine;
  abstract error: LogLine;
  abstract fatal: LogLine;
}

const secretNames = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'key',
  'keypem',
  'passphrase',
  'passwd',
  'password',
  'privatekey',
  'privatekeypem',
  'secret',
  'token',
  'accesstoken',
  'refreshtoken',
  'apikey',
  'clientsecret',
  'secretaccesskey',
]);
const deepest = 6;

/**
 * Writes JSON lines, by default to stdout. An error is logged without its own fields, which may hold SQL statements and
 * their parameters.
 */
export function createLog(level: LevelWithSilent, destination?: DestinationStream): Log {
  const options = {
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: object) => withoutSecrets(fields, 0) as Record<string, unknown>,
    },
    // JSON does not escape C1 control characters and bidirectional marks, which a terminal would obey.
    hooks: { streamWrite: (line: string) => `${escapeUnprintable(line.trimEnd())}\n` },
    serializers: { err: (error: unknown) => describeError(error, 0) },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** Passes messages of the framework to the log; those about its own start become debug lines. */
export class FrameworkLog implements LoggerService {
  constructor(private readonly target: Log) {}

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }
  log(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  private write(level: keyof Log, message: unknown, rest: unknown[]): void {
    const err = [message, ...rest].find((part) => part instanceof Error);
    const texts = rest.filter((part) => typeof part === 'string');
    const context = texts.pop();
    const text =
      message instanceof Error ? message.message : typeof message === 'string' ? message : JSON.stringify(message);
    this.target[level]({ context, stack: texts[0], err }, text);
  }
}

function withoutSecrets(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error || value instanceof Date) return value;
  if (depth === deepest) return '[deep]';
  if (Array.isArray(value)) return value.map((entry) => withoutSecrets(entry, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [
      name,
      isSecret(name) && entry != null ? '[secret]' : withoutSecrets(entry, depth + 1),
    ]),
  );
}

function isSecret(name: string): boolean {
  return secretNames.has(name) || secretNames.has(name.replaceAll('_', '').toLowerCase());
}

function describeError(error: unknown, depth: number): unknown {
  if (!(error instanceof Error)) return withoutSecrets(error, depth);
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  return {
    type: error.name,
    message: error.message,
    code,
    constraint,
    stack: error.stack,
    cause: error.cause === undefined || depth === deepest ? undefined : describeError(error.cause, depth + 1),
  };
}
