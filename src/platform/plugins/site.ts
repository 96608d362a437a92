import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import { PluginError } from '../../plugin-api/errors.js';
import type { OutgoingMail, Site } from '../../plugin-api/site.js';
import { Config } from '../config.js';
import { Mailer } from '../mail/mailer.js';
import { GuardedAgents } from '../net/guarded-agent.js';
import { guardedFetch } from '../net/guarded-fetch.js';
import { ServiceFiles } from './service-files.js';

const run = promisify(execFile);
const timeoutMs = 60_000;
/** The rest of our environment can hold secrets. */
const passedOn = ['PATH', 'HOME', 'LANG', 'TZ'];

/** What the settings of this installation let plugins use; `forCall` makes of it the site of one call. */
@Injectable()
export class PluginSite implements Omit<Site, 'fetch'> {
  readonly protectedPaths: readonly string[];
  readonly allowedRoots?: readonly string[];
  private readonly files: ServiceFiles;

  constructor(
    private readonly config: Config,
    private readonly mailer: Mailer,
    private readonly agents: GuardedAgents,
  ) {
    const { dataDir, auditAnchorPath, allowedFilesystemRoots } = config;
    this.protectedPaths = [resolve(dataDir), ...(auditAnchorPath === undefined ? [] : [auditAnchorPath])];
    this.files = new ServiceFiles(config);
    if (allowedFilesystemRoots.length > 0) this.allowedRoots = allowedFilesystemRoots;
  }

  /** The site of a call that `signal` ends. */
  forCall(signal: AbortSignal): Site {
    return {
      protectedPaths: this.protectedPaths,
      ...(this.allowedRoots && { allowedRoots: this.allowedRoots }),
      sendMail: (mail) => this.sendMail(mail),
      runCommand: (name, stop) => this.runCommand(name, stop),
      fetch: async (url, request) => {
        const ca = await this.files.caFor(url);
        return guardedFetch(this.agents, url, { ...request, ...(ca !== undefined && { ca }), signal });
      },
      tokenFor: (address) => this.tokenFor(address),
      agentFor: (url) => this.agentFor(url),
      connect: (host, port, stop) => this.connect(host, port, stop),
    };
  }

  sendMail(mail: OutgoingMail): Promise<void> {
    return this.mailer.send(mail);
  }

  agentFor(url: URL): Agent {
    return this.agents.for(url);
  }

  connect(host: string, port: number, signal: AbortSignal): Promise<Socket> {
    return this.agents.connect(host, port, signal);
  }

  tokenFor(address: string): Promise<string | null> {
    return this.files.tokenFor(address);
  }

  /** Without a shell, for at most a minute. What the program prints stays out of the error: nobody knows what it is. */
  async runCommand(name: string, signal: AbortSignal): Promise<void> {
    const [program, ...args] =
      (Object.hasOwn(this.config.reloadCommands, name) && this.config.reloadCommands[name]) || [];
    if (program === undefined)
      throw new PluginError('misconfigured', `There is no command "${name}" in RELOAD_COMMANDS.`);
    const env = Object.fromEntries(Object.entries(process.env).filter(([variable]) => passedOn.includes(variable)));
    try {
      await run(program, args, { signal, env, timeout: timeoutMs, maxBuffer: 16 * 1_048_576 });
    } catch (error) {
      throw commandFailure(name, error, signal);
    }
  }
}

function commandFailure(name: string, error: unknown, signal: AbortSignal): PluginError {
  const { code, killed } = error as { code?: number | string; killed?: boolean };
  if (code === 'ENOENT' || code === 'EACCES')
    return new PluginError('misconfigured', `The command "${name}" cannot be started (${code}).`, undefined, {
      cause: error,
    });
  const words = signal.aborted
    ? 'was interrupted'
    : killed
      ? `took longer than ${timeoutMs / 1000} s`
      : `failed with exit code ${code ?? 'unknown'}`;
  return new PluginError('unavailable', `The command "${name}" ${words}.`, undefined, { cause: error });
}
