import { explain } from './explain.js';
import { type Config, configFromEnvironment } from './platform/config.js';
import { exitWith, onStopSignal, quietLibraries, say } from './platform/process.js';
import { type Perennial, startPerennial } from './perennial.js';

/** One program; PERENNIAL_ROLE picks what runs. */
async function main(): Promise<void> {
  quietLibraries();
  const config = configFromEnvironment();
  const announcePassword = (password: string): void =>
    say(`First start: sign in as "admin" with the password ${password} (shown only this once)`);
  const starting = startPerennial(config, { announcePassword });
  onStopSignal(async () => (await starting).stop());
  greet(config, await starting);
}

function greet(config: Config, { url, monitoringUrl }: Perennial): void {
  if (config.role === 'worker') return say(`Worker         ${monitoringUrl}/health/ready`);
  say(`API            ${url}/api/1`);
  say(`Documentation  ${url}/api/1/docs`);
  if (config.metricsListen) say(`Monitoring     ${monitoringUrl}/health/ready`);
  say(`Data           ${config.databaseUrl ? 'the database of DATABASE_URL' : config.dataDir}`);
  if (!config.smtpUrl) say('SMTP_URL is not set: mails are kept and not sent; read them at /api/1/mails');
}

main().catch((error: unknown) => exitWith(1, explain(error)));
