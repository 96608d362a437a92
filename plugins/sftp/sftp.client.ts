import type { Client, InputAttributes, SFTPWrapper, Stats } from 'ssh2';
import { PluginError } from '../../src/plugin-api/errors.js';
import { callback } from './ssh.client.js';

/** Status codes of SFTP version 3 (draft-ietf-secsh-filexfer-02 §7). */
const status = { noSuchFile: 2, permissionDenied: 3, failure: 4 } as const;
const permissions = 0o7777;
/** More than any certificate, chain and key. */
const mostBytes = 1_048_576;

/** `mode` is a Unix file mode; without `owner` the file belongs to the account. */
export interface RemoteFile {
  path: string;
  bytes: Buffer;
  mode: number;
  owner: RemoteOwner | undefined;
}

export interface RemoteOwner {
  uid: number;
  gid: number;
}

/** The files of one server. Paths are absolute. Every method throws PluginError when the server refuses. */
export class RemoteFiles {
  private constructor(private readonly sftp: SFTPWrapper) {}

  /** Throws PluginError `misconfigured` when the server has no SFTP, or cannot replace a file in one step. */
  static async open(client: Client): Promise<RemoteFiles> {
    const sftp = await callback<SFTPWrapper>((done) => client.sftp(done)).catch(() => {
      throw new PluginError('misconfigured', 'The server offers no SFTP to this account.');
    });
    return new RemoteFiles(sftp);
  }

  /** The content; null when there is no such file. */
  async read(path: string): Promise<Buffer | null> {
    const found = await this.stat(path);
    if (found === null) return null;
    if (!found.isFile() || found.size > mostBytes)
      throw new PluginError('misconfigured', `"${path}" is no file, or is larger than ${mostBytes} bytes.`);
    return ifPresent(this.do<Buffer>(path, (done) => this.sftp.readFile(path, done)));
  }

  /** Whether the file has exactly this content, mode and owner. */
  async holds({ path, bytes, mode, owner }: RemoteFile): Promise<boolean> {
    const found = await this.stat(path);
    if (!found?.isFile() || (found.mode & permissions) !== mode || found.size !== bytes.length) return false;
    if (owner && (found.uid !== owner.uid || found.gid !== owner.gid)) return false;
    return (await this.read(path))?.equals(bytes) ?? false;
  }

  async isFolder(path: string): Promise<boolean> {
    return (await this.stat(path))?.isDirectory() ?? false;
  }

  /** Makes a folder that everybody may read. One that another made meanwhile is as good. */
  async makeFolder(path: string): Promise<void> {
    try {
      await this.do(path, (done) => this.sftp.mkdir(path, { mode: 0o755 }, done));
    } catch (error) {
      if (!(await this.isFolder(path))) throw error;
    }
  }

  /**
   * Writes a new file beside `path`, to storage where the server can say so. It has no reader before `publish`. Answers
   * its path, which is the same each time, so that a crash leaves at most one behind.
   */
  async stage({ path, bytes, mode, owner }: RemoteFile): Promise<string> {
    const staged = stagedPath(path);
    await this.remove(staged);
    // Exclusive: whoever may write to the folder could have put a link there.
    const handle = await this.do<Buffer>(path, (done) => this.sftp.open(staged, 'wx', { mode: 0o600 }, done));
    try {
      await this.do(path, (done) => this.sftp.write(handle, bytes, 0, bytes.length, 0, done));
      await this.set(path, handle, { mode: 0o600 });
      if (owner) await this.set(path, handle, { uid: owner.uid, gid: owner.gid });
      await this.set(path, handle, { mode });
      await this.sync(path, handle);
    } finally {
      await this.do(path, (done) => this.sftp.close(handle, done));
    }
    return staged;
  }

  /** Renames what `stage` wrote to its path, over what is there, in one step. */
  async publish(path: string): Promise<void> {
    await this.do(path, (done) => {
      try {
        this.sftp.ext_openssh_rename(stagedPath(path), path, done);
      } catch {
        throw new PluginError(
          'misconfigured',
          'The server cannot replace a file in one step: its SFTP lacks posix-rename@openssh.com.',
        );
      }
    });
  }

  /** Succeeds when there is no such file. */
  async remove(path: string): Promise<void> {
    await ifPresent(this.do(path, (done) => this.sftp.unlink(path, done)));
  }

  /** Removes what `stage` wrote and `publish` has not renamed. */
  async unstage(path: string): Promise<void> {
    await this.remove(stagedPath(path));
  }

  /** Removes an empty folder; one with files stays. */
  async removeFolder(path: string): Promise<void> {
    await callback((done) => this.sftp.rmdir(path, done)).catch(() => undefined);
  }

  private async stat(path: string): Promise<Stats | null> {
    return ifPresent(this.do<Stats>(path, (done) => this.sftp.stat(path, done)));
  }

  private async set(path: string, handle: Buffer, attributes: InputAttributes): Promise<void> {
    await this.do(path, (done) => this.sftp.fsetstat(handle, attributes, done));
  }

  private async sync(path: string, handle: Buffer): Promise<void> {
    await this.do(path, (done) => {
      try {
        this.sftp.ext_openssh_fsync(handle, done);
      } catch {
        // Without the extension, the server's system decides when the file reaches its storage.
        done(null);
      }
    });
  }

  private async do<T>(
    path: string,
    start: (done: (error: Error | null | undefined, value?: T) => void) => unknown,
  ): Promise<T> {
    try {
      return await callback<T>(start);
    } catch (error) {
      throw translated(error, path);
    }
  }
}

/** A hidden name: servers that read a whole folder pass over it. */
function stagedPath(path: string): string {
  const slash = path.lastIndexOf('/');
  return `${path.slice(0, slash + 1)}.${path.slice(slash + 1)}.perennial-new`;
}

/** There is no such file, or no folder that it could be in. */
class Absent extends PluginError {}

async function ifPresent<T>(result: Promise<T>): Promise<T | null> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof Absent) return null;
    throw error;
  }
}

function translated(error: unknown, path: string): unknown {
  const { code } = error as { code?: unknown };
  if (code === status.noSuchFile) return new Absent('misconfigured', `There is no folder for "${path}" on the server.`);
  if (code === status.permissionDenied)
    return new PluginError('misconfigured', `The server denies the account what it needs to do with "${path}".`);
  if (code === status.failure)
    return new PluginError('unavailable', `The server cannot change "${path}": its storage may be full or read-only.`);
  return error;
}
