import { QueryFailedError } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { createLog, FrameworkLog, type Log } from './log.js';

function listen(level: Parameters<typeof createLog>[0] = 'debug'): {
  log: Log;
  lines: Record<string, unknown>[];
  text: () => string;
} {
  const lines: Record<string, unknown>[] = [];
  const log = createLog(level, { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  return { log, lines, text: () => JSON.stringify(lines) };
}

describe('the log', () => {
  it('writes one JSON object a line', () => {
    const { log, lines } = listen();
    log.info({ certificateId: 7 }, 'issued');
    expect(lines).toEqual([
      { level: 'info', time: expect.stringMatching(/^\d{4}-.*Z$/) as string, certificateId: 7, msg: 'issued' },
    ]);
  });

  it('escapes what a terminal would obey in the names that it holds', () => {
    let written = '';
    createLog('info', { write: (line) => void (written += line) }).info(
      { name: 'a\u009b2J\u202e\u007f\u001b[0m' },
      'x',
    );
    expect(written).not.toMatch(/(?!\n$)[\p{Cc}\p{Cf}]/u);
    expect((JSON.parse(written) as { name: string }).name).toBe('a\u009b2J\u202e\u007f\u001b[0m');
  });

  it('leaves out what is below its level', () => {
    const { log, lines } = listen('warn');
    log.info({}, 'x');
    log.error({}, 'y');
    expect(lines.map(({ msg }) => msg)).toEqual(['y']);
  });

  it.each([
    'authorization',
    'Authorization',
    'password',
    'privateKey',
    'private_key',
    'key',
    'token',
    'secret',
    'cookie',
    'apiKey',
    'access_token',
    'clientSecret',
  ])('replaces %s at any depth', (name) => {
    const { log, lines, text } = listen();
    log.info({ [name]: 'hunter2', a: [{ b: { [name]: { deep: 'hunter2' } } }], keyId: 'k1' }, 'x');
    expect(text()).not.toContain('hunter2');
    expect(lines[0]).toMatchObject({ [name]: '[secret]', keyId: 'k1' });
  });

  it('writes of an error its words and causes, never the fields it carries', () => {
    const { log, lines, text } = listen();
    const driver = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (hash)=(hunter2)' });
    log.error(
      { err: new Error('outer', { cause: new QueryFailedError('insert into t values ($1)', ['hunter2'], driver) }) },
      'failed',
    );
    expect(text()).not.toContain('hunter2');
    expect(lines[0]).toMatchObject({
      err: {
        message: 'outer',
        stack: expect.stringContaining('log.spec') as string,
        cause: { type: 'QueryFailedError', message: 'duplicate key', code: '23505' },
      },
    });
  });

  it('survives a value that contains itself', () => {
    const { log, lines } = listen();
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    log.info({ loop }, 'x');
    expect(lines).toHaveLength(1);
  });

  it('takes what the framework says', () => {
    const { log, lines } = listen();
    const framework = new FrameworkLog(log);
    framework.error('broke', 'at line 1', 'Router');
    framework.warn('careful', 'Router');
    framework.log('mapped', 'Router');
    framework.error(new Error('thrown'), 'Router');
    expect(lines).toMatchObject([
      { level: 'error', msg: 'broke', stack: 'at line 1', context: 'Router' },
      { level: 'warn', msg: 'careful', context: 'Router' },
      { level: 'debug', msg: 'mapped', context: 'Router' },
      { level: 'error', msg: 'thrown', context: 'Router', err: { message: 'thrown' } },
    ]);
  });
});
