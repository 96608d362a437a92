import { z } from 'zod';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { areHostKeys } from './host-keys.js';

const hostName = z
  .string()
  .max(253)
  .regex(/^[\w.:-]+$/, 'must be a host name or an IP address');
const portNumber = z.int().min(1).max(65_535).default(22);
const userName = z.string().regex(/^[^\s\p{C}]{1,64}$/u, 'must be a user name');
const hostKeyLines = z
  .string()
  .max(65_536)
  .refine(areHostKeys, 'must be lines of known_hosts, public keys, or SHA256 fingerprints of ssh-keygen -l');

export const options = z.strictObject({
  host: hostName.meta({ title: 'Host', description: 'The SSH server.', examples: ['web1.example.com'] }),
  port: portNumber.meta({ title: 'Port', description: 'Port of the SSH server.' }),
  hostKeys: hostKeyLines.meta({
    title: 'Host keys',
    description:
      'The keys by which the server is recognised, one a line: lines of known_hosts (ssh-keyscan prints them), ' +
      'public keys, or fingerprints (SHA256:…). Any other key is refused.',
  }),
  user: userName.meta({ title: 'User', description: 'Name of the account on the server.' }),
  password: secret('Password', 'Of the account. Absent: only the private key is used.').max(1024).optional(),
  privateKey: secret('Private key', 'Key of the account, in the format of OpenSSH or PEM.')
    .max(65_536)
    .regex(/-----BEGIN [A-Z ]*PRIVATE KEY-----/, 'must be a private key of OpenSSH or in PEM')
    .optional(),
  passphrase: secret('Passphrase', 'Opens the private key.').max(1024).optional(),
  folder: z
    .string()
    .max(500)
    .regex(/^\/(?:[^/\p{C}]+(?:\/[^/\p{C}]+)*)?$/u, 'must be an absolute path without a slash at its end')
    .refine((path) => !path.split('/').some((part) => part === '.' || part === '..'), 'must not have . or .. in it')
    .meta({ title: 'Folder', description: 'Absolute path on the server.', examples: ['/etc/ssl/perennial'] }),
  createFolder: z.boolean().default(false).meta({
    title: 'Create the folder',
    description: 'Makes the folder, and those above it, when they are missing.',
  }),
  mode: z
    .string()
    .regex(/^0?[46][046]0$/, 'must be octal, e.g. 0600, without permissions for others')
    .default('0600')
    .meta({
      title: 'Mode of key files',
      description: 'Octal mode of files with a private key, e.g. 0600 or 0640. Files without a key can be read by all.',
    }),
  owner: z
    .string()
    .regex(/^\d{1,10}:\d{1,10}$/, 'must be uid:gid in digits')
    .optional()
    .meta({
      title: 'Owner',
      description: 'Owner of the files as uid:gid; SFTP knows no names. Absent: the account.',
      examples: ['0:33'],
    }),
  command: z
    .string()
    .min(1)
    .max(2000)
    .regex(/^[^\p{C}]+$/u, 'must be one line')
    .refine(
      (text) => !/\{(?!(?:commonName|file|folder)\})\w*\}/.test(text),
      'may have the placeholders {commonName}, {file} and {folder}',
    )
    .optional()
    .meta({
      title: 'Command',
      description:
        'Runs on the server after its files have changed, again until it ends with status 0. {commonName}, {file} ' +
        '(the main file) and {folder} stand for these values, quoted for a POSIX shell.',
      examples: ['sudo systemctl reload nginx'],
    }),
  jumpHost: hostName.optional().meta({
    title: 'Jump host',
    description: 'An SSH server through which the host is reached, with the same account.',
  }),
  jumpPort: portNumber.meta({ title: 'Port of the jump host', description: 'Used with a jump host.' }),
  jumpHostKeys: hostKeyLines.optional().meta({
    title: 'Host keys of the jump host',
    description: 'As the host keys. Required with a jump host.',
  }),
  timeoutS: z.int().min(1).max(300).default(60).meta({
    title: 'Timeout',
    description: 'Seconds until a delivery counts as unanswered, its command included.',
  }),
});

export type SftpOptions = Options<typeof options>;
