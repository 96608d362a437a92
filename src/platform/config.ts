import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { inspect } from 'node:util';
import { z } from 'zod';
import { configSchema } from './config-schema.js';
import { missingBeside } from './config-sign-in.js';

type Environment = z.output<typeof configSchema>;
type Derived = 'PUBLIC_URL' | 'SECURITY_NOTICE_DAYS';
type Complete = Omit<Environment, Derived> & Required<Pick<Environment, Derived>>;
type CamelCase<S extends string> = S extends `PERENNIAL_${infer Rest}`
  ? CamelCase<Rest>
  : S extends `${infer Word}_${infer Rest}`
    ? `${Lowercase<Word>}${Capitalize<CamelCase<Rest>>}`
    : Lowercase<S>;
type Settings = { readonly [K in keyof Complete as CamelCase<K>]: Complete[K] };

/* eslint-disable @typescript-eslint/no-unsafe-declaration-merging, @typescript-eslint/no-empty-object-type --
   a class to inject by, whose members the schema alone declares */
export interface Config extends Settings {}

/**
 * The settings, frozen: `DATABASE_URL` is `databaseUrl`, `PERENNIAL_ROLE` is `role`. Its values are not logged.
 */
export class Config {
  constructor(settings: Settings) {
    Object.assign(this, settings);
    freeze(this);
  }

  toJSON(): string {
    return '[Config]';
  }

  [inspect.custom](): string {
    return '[Config]';
  }
}
/* eslint-enable */

/** Every fault of the settings at once, one per line: the variable and what is wrong, never its value. */
export class ConfigError extends Error {
  override name = 'ConfigError';

  constructor(readonly faults: readonly string[]) {
    super(`The settings are not usable:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
  }
}

/**
 * Reads `env`. An empty variable counts as absent; `<NAME>_FILE` names a file with the value instead. Throws
 * ConfigError.
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = [];
  const given: Record<string, string> = {};
  for (const name of Object.keys(configSchema.shape)) {
    const value = valueOf(env, name, faults);
    if (value) given[name] = value;
  }
  faults.push(...missingBeside(given));
  const parsed = configSchema.safeParse(given);
  if (!parsed.success)
    faults.push(
      ...parsed.error.issues.map(
        ({ path: [name, ...rest], message }) => `${[String(name), ...rest].join('.')}: ${message}`,
      ),
    );
  if (!parsed.success || faults.length > 0) throw new ConfigError(faults);
  return new Config(settingsOf(parsed.data));
}

function valueOf(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  faults: string[],
): string | undefined {
  const file = env[`${name}_FILE`];
  if (!file) return env[name];
  if (env[name]) faults.push(`${name}: is set, and so is ${name}_FILE; set one of them`);
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    faults.push(`${name}_FILE: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
    return undefined;
  }
}

function settingsOf(values: Environment): Settings {
  const wildcard = values.HOST === '0.0.0.0' || values.HOST === '::';
  const host = wildcard ? 'localhost' : isIPv6(values.HOST) ? `[${values.HOST}]` : values.HOST;
  const complete: Complete = {
    ...values,
    // Never the default of PUBLIC_URL: an address in a certificate outlives a guess.
    PKI_URL: values.PKI_URL ?? values.PUBLIC_URL,
    PUBLIC_URL: values.PUBLIC_URL ?? `http://${host}:${values.PORT}`,
    SECURITY_NOTICE_DAYS: values.SECURITY_NOTICE_DAYS ?? values.NOTICE_DAYS,
  };
  return Object.fromEntries(Object.entries(complete).map(([name, value]) => [camelCase(name), value])) as Settings;
}

function camelCase(name: string): string {
  return name
    .replace(/^PERENNIAL_/, '')
    .toLowerCase()
    .replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function freeze(value: unknown): void {
  // A Buffer cannot be frozen.
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  Object.freeze(value);
  Object.values(value).forEach(freeze);
}

/** One row of the table in docs/settings.md. */
export interface ConfigEntry {
  name: string;
  /** As written in the environment; null when there is none. */
  default: string | null;
  description: string;
}

/** Every setting in the order of the schema. */
export function describeConfig(): ConfigEntry[] {
  const { properties = {} } = z.toJSONSchema(configSchema, { io: 'input' });
  return Object.entries(properties).map(([name, property]) => {
    const {
      default: value,
      defaultText,
      description,
    } = property as { default?: string; defaultText?: string; description?: string };
    return { name, default: value ?? defaultText ?? null, description: description ?? '' };
  });
}

/** The settings as a table in Markdown. */
export function configTable(): string {
  const rows = describeConfig().map(
    (entry) => `| \`${entry.name}\` | ${entry.default === null ? '' : `\`${entry.default}\``} | ${entry.description} |`,
  );
  return ['| Variable | Default | Meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** The settings of this process. Throws ConfigError. */
export function configFromEnvironment(): Config {
  return loadConfig(process.env);
}
