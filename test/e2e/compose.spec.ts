import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { type Config, loadConfig } from '../../src/platform/config.js';
import { configSchema } from '../../src/platform/config-schema.js';

type Environment = Record<string, string>;

const Service = z.object({
  image: z.string(),
  build: z.string().optional(),
  environment: z.record(z.string(), z.string()).prefault({}),
  ports: z.array(z.string()).prefault([]),
  volumes: z.array(z.string()).prefault([]),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).prefault({}),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
});
const Compose = z.object({ services: z.record(z.string(), Service), volumes: z.record(z.string(), z.null()) });

function textOf(file: string): string {
  return readFileSync(join(__dirname, '../..', file), 'utf8');
}

/** Fills in `${NAME}` and `${NAME:-default}` in a value, as docker compose does. */
function interpolated(value: string, env: Environment): string {
  return value.replaceAll(
    /\$\{(\w+)(?::-([^}]*))?\}/g,
    (_, name: string, otherwise = '') => env[name] || String(otherwise),
  );
}

function readCompose(env: Environment = {}): z.output<typeof Compose> {
  const tree: unknown = parse(textOf('docker-compose.yml'), (_, value: unknown) =>
    typeof value === 'string' ? interpolated(value, env) : value,
  );
  return Compose.parse(tree);
}

function serviceOf(compose: z.output<typeof Compose>, name: string): z.output<typeof Service> {
  return Service.parse(compose.services[name]);
}

/** The instructions of the Dockerfile as pairs of word and rest, in order. */
function readDockerfile(): [string, string][] {
  const lines = textOf('Dockerfile')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]);
}

const instructions = readDockerfile();
const finalStage = instructions.slice(instructions.findLastIndex(([word]) => word === 'FROM'));

function restsOf(word: string): string[] {
  return finalStage.filter(([name]) => name === word).map(([, rest]) => rest);
}

const imageEnv: Environment = Object.fromEntries(
  restsOf('ENV')
    .flatMap((rest) => rest.split(' '))
    .map((pair) => pair.split('=') as [string, string]),
);

function configOf(env: Environment = {}): Config {
  return loadConfig({ ...imageEnv, ...serviceOf(readCompose(env), 'perennial').environment });
}

describe('docker-compose.yml', () => {
  const compose = readCompose();
  const perennial = serviceOf(compose, 'perennial');
  const postgres = serviceOf(compose, 'postgres');

  it('sets only what the program reads', () => {
    const known = Object.keys(configSchema.shape);
    expect(Object.keys({ ...imageEnv, ...perennial.environment }).filter((name) => !known.includes(name))).toEqual([]);
  });

  it('has settings that the program accepts, with default passwords and with other ones', () => {
    expect(configOf().adminPassword).toBeUndefined();
    const own = configOf({ ADMIN_PASSWORD: 'correct horse battery', POSTGRES_PASSWORD: 'staple' });
    expect(own.adminPassword).toBe('correct horse battery');
    expect(new URL(own.databaseUrl ?? '').password).toBe('staple');
  });

  it('connects the program to the services of the same file', () => {
    const { databaseUrl = '', redisUrl = '', smtpUrl = '' } = configOf();
    const hosts = [databaseUrl, redisUrl, smtpUrl].map((url) => new URL(url).hostname);
    expect(hosts).toEqual(['postgres', 'redis', 'mailpit']);
    expect(Object.keys(perennial.depends_on)).toEqual(hosts);
    expect(Object.keys(compose.services)).toEqual(['perennial', ...hosts]);
  });

  it('waits until every service with a health check is healthy', () => {
    for (const [name, { condition }] of Object.entries(perennial.depends_on)) {
      expect([name, condition]).toEqual([
        name,
        serviceOf(compose, name).healthcheck ? 'service_healthy' : 'service_started',
      ]);
    }
  });

  it('creates the database that the program uses, on a supported version', () => {
    const { username, password, pathname } = new URL(configOf().databaseUrl ?? '');
    expect({ POSTGRES_USER: username, POSTGRES_PASSWORD: password, POSTGRES_DB: pathname.slice(1) }).toEqual(
      postgres.environment,
    );
    expect(Number(/^postgres:(\d+)$/.exec(postgres.image)?.[1])).toBeGreaterThanOrEqual(13);
  });

  it('publishes ports on 127.0.0.1 only, and those that the program uses', () => {
    const published = Object.values(compose.services).flatMap(({ ports }) => ports);
    expect(published.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
    const { port, publicUrl } = configOf();
    expect(perennial.ports).toEqual([`127.0.0.1:${new URL(publicUrl).port}:${port}`]);
  });

  it('keeps the data folder and the database in named volumes', () => {
    const mounts = Object.values(compose.services).flatMap(({ volumes }) => volumes.map((volume) => volume.split(':')));
    expect(mounts).toContainEqual([expect.any(String), configOf().dataDir]);
    expect(mounts.map(([name]) => name)).toEqual(Object.keys(compose.volumes));
  });
});

describe('Dockerfile', () => {
  it('builds the image that docker-compose.yml uses', () => {
    expect(serviceOf(readCompose(), 'perennial').build).toBe('.');
  });

  it('runs as a user who is not root and owns the data folder', () => {
    expect(restsOf('USER')).toEqual(['node']);
    const [makeFolder = ''] = restsOf('RUN').filter((command) => command.endsWith(` ${imageEnv['DATA_DIR']}`));
    expect(makeFolder).toContain('--owner=node');
    expect(finalStage.findIndex(([word]) => word === 'USER')).toBeGreaterThan(
      finalStage.findLastIndex(([word]) => word === 'RUN'),
    );
  });

  it('starts as `npm start` does after the build, without npm in between', () => {
    const { scripts } = z
      .object({ scripts: z.object({ start: z.string() }) })
      .parse(JSON.parse(textOf('package.json')));
    const command = (JSON.parse(restsOf('CMD')[0] ?? '') as string[]).join(' ');
    expect(`npm run build && ${command}`).toBe(scripts.start);
  });

  it('runs on one supported Node version in both stages', () => {
    const images = instructions.filter(([word]) => word === 'FROM').map(([, rest]) => rest.split(' ')[0]);
    expect(new Set(images)).toEqual(new Set(['${NODE_IMAGE}']));
    expect(instructions[0]).toEqual(['ARG', 'NODE_IMAGE=node:26-bookworm-slim']);
  });

  it('listens on every address, on the port that it exposes', () => {
    const { host, port } = loadConfig(imageEnv);
    expect({ host, exposed: restsOf('EXPOSE') }).toEqual({ host: '0.0.0.0', exposed: [String(port)] });
  });

  it('checks /health/ready as its health check', () => {
    expect(restsOf('HEALTHCHECK').join()).toContain('/health/ready');
  });

  it('copies only files that .dockerignore admits', () => {
    const [first, ...rest] = textOf('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    const admitted = rest.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    const copied = instructions
      .filter(([word, args]) => word === 'COPY' && !args.startsWith('--from'))
      .flatMap(([, args]) => args.split(' ').slice(0, -1));
    expect(first).toBe('*');
    expect(copied.sort()).toEqual(admitted.sort());
  });
});
