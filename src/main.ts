import { Config, ConfigError, configFromEnvironment } from './platform/config.js';
import { exitWith, onStopSignal, quietLibraries, say } from './platform/process.js';
import { KeyRingError } from './platform/secrets/key-ring.js';
import { type Perennial, startPerennial } from './perennial.js';

/** One program; PERENNIAL_ROLE picks what runs. */
async function main(): Promise<void> {
  quietLibraries();
  const config = configFromEnvironment();
  const announcePassword = (password: string): void => say(`First start: sign in as "admin" with the password ${password} (shown only this once)`);
  const running = await startPerennial(config, { announcePassword });
  onStopSignal(() => running.stop());
  greet(config, running);
}

function greet(config: Config, { url }: Perennial): void {
  say(`API            ${url}/api/1`);
  say(`Documentation  ${url}/api/1/docs`);
  say(`Data           ${config.databaseUrl ? 'the database of DATABASE_URL' : config.dataDir}`);
  if (!config.smtpUrl) say('SMTP_URL is not set: mails are not sent but kept, to be read at /api/1/mails');
}

function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof KeyRingError) return error.message;
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

main().catch((error: unknown) => exitWith(1, explain(error)));
