import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Clock } from '../clock.js';
import { loadConfig } from '../config.js';
import type { Mailer } from '../mail/mailer.js';
import { createLog } from '../log.js';
import { GuardedAgents } from '../net/guarded-agent.js';
import { PluginContexts } from './plugin-context.js';
import { PluginSite } from './site.js';

const folder = mkdtempSync(join(tmpdir(), 'site-'));
afterAll(() => rmSync(folder, { recursive: true }));

const shell = (script: string): string[] => ['/bin/sh', '-c', script];
const config = loadConfig({
  DATA_DIR: folder,
  RELOAD_COMMANDS: JSON.stringify({
    write: ['/bin/sh', '-c', 'printf "%s|%s" "$0" "$MARKER_SECRET" > "$1"', '$(id); *', join(folder, 'out')],
    fail: shell('echo marker >&2; exit 3'),
    slow: shell('exec sleep 60'),
    missing: ['/nonexistent/program'],
  }),
});
const agents = new GuardedAgents(config);
const site = new PluginSite(config, {} as Mailer, agents);
const running = new AbortController().signal;

describe('PluginSite', () => {
  it('runs an allowed command without a shell and without our secrets', async () => {
    vi.stubEnv('MARKER_SECRET', 'marker');
    await site.runCommand('write', running);
    expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('$(id); *|');
  });

  it.each(['unknown', 'toString', '__proto__', '/bin/sh'])('runs nothing called %s', async (name) => {
    await expect(site.runCommand(name, running)).rejects.toMatchObject({
      fault: 'misconfigured',
      detail: `There is no command "${name}" in RELOAD_COMMANDS.`,
    });
  });

  it('says how a command failed, not what it printed', async () => {
    await expect(site.runCommand('fail', running)).rejects.toMatchObject({
      fault: 'unavailable',
      detail: 'The command "fail" failed with exit code 3.',
    });
    await expect(site.runCommand('missing', running)).rejects.toMatchObject({
      fault: 'misconfigured',
      detail: 'The command "missing" cannot be started (ENOENT).',
    });
  });

  it('stops a command when told to', async () => {
    const stop = new AbortController();
    const work = site.runCommand('slow', stop.signal);
    stop.abort();
    await expect(work).rejects.toMatchObject({ fault: 'unavailable', detail: 'The command "slow" was interrupted.' });
  });

  it('trusts the CAs of SERVICE_FILES, and gives its tokens', async () => {
    const SERVICE_FILES = '{"https://k8s.example.com":{"token":"/nonexistent/token","ca":"/nonexistent/ca.crt"}}';
    const cluster = new PluginSite(loadConfig({ DATA_DIR: folder, SERVICE_FILES }), {} as Mailer, agents);
    const its = cluster.forCall(running);
    await expect(its.fetch('https://k8s.example.com/api')).rejects.toThrow('/nonexistent/ca.crt');
    await expect(its.tokenFor('https://k8s.example.com')).rejects.toThrow('/nonexistent/token');
    expect(await its.tokenFor('https://other.example.com')).toBeNull();
  });

  it('says of an address that is none that it is none', async () => {
    const its = site.forCall(running);
    await expect(its.fetch('/order/1')).rejects.toMatchObject({ fault: 'misconfigured' });
  });

  it('protects its own data and gives guarded agents', () => {
    expect(site.protectedPaths).toEqual([resolve(folder)]);
    expect(site.agentFor(new URL('https://x'))).toBe(agents.for(new URL('https://x')));
  });
});

describe('PluginContexts', () => {
  it('ends the requests of a call with its signal', async () => {
    const server = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const open = new GuardedAgents(loadConfig({ DATA_DIR: folder, ALLOWED_PRIVATE_HOSTS: '127.0.0.1' }));
    const stop = new AbortController();
    const contexts = new PluginContexts(new PluginSite(config, {} as Mailer, open), new Clock(), createLog('info'));
    const answer = contexts
      .make(stop.signal)
      .site.fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { method: 'POST', body: 'x' });
    await once(server, 'request');
    stop.abort();
    await expect(answer).rejects.toMatchObject({
      fault: 'unavailable',
      detail: expect.stringContaining('was not asked to the end'),
    });
    open.onApplicationShutdown();
    server.close().closeAllConnections();
  });

  it('gives a call the clock, the log and its signal', () => {
    const lines: string[] = [];
    const log = createLog('info', { write: (line: string) => void lines.push(line) });
    const ctx = new PluginContexts(site, { now: () => new Date(0) }, log).make(running);
    ctx.log('Delivered.', { certificateId: 3 });
    expect([ctx.now(), ctx.signal]).toEqual([new Date(0), running]);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: 'Delivered.', certificateId: 3 });
  });
});
