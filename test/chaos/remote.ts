import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

interface Question {
  id: number;
  action: string;
  value: unknown;
}
interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

/** A server of the world around the program, in a process of its own: `<name>.child.ts` of this folder. */
export class Remote {
  private child: ChildProcess | undefined;
  private asked = 0;
  private readonly open = new Map<number, (answer: Answer) => void>();

  private constructor(
    private readonly name: string,
    private readonly args: readonly string[],
  ) {}

  static async start(name: string, args: readonly string[] = []): Promise<Remote> {
    const remote = new Remote(name, args);
    await remote.start();
    return remote;
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    const child = fork(join(__dirname, `${this.name}.child.ts`), this.args, {
      execArgv: ['-r', join(__dirname, '../support/typescript.cjs')],
    });
    child.on('message', (answer: Answer) => this.open.get(answer.id)?.(answer));
    this.child = child;
    const ready = await Promise.race([this.call('ready').then(() => true), once(child, 'exit').then(() => false)]);
    if (!ready) throw new Error(`${this.name} ended before it served.`);
  }

  /** What the action of the child returns. A frozen child answers when it goes on. */
  async call<T>(action: string, value?: unknown): Promise<T> {
    const id = (this.asked += 1);
    const answered = new Promise<Answer>((resolve) => this.open.set(id, resolve));
    this.child?.send({ id, action, value } satisfies Question);
    const { value: result, error } = await answered;
    this.open.delete(id);
    if (error !== undefined) throw new Error(`${this.name}: ${error}`);
    return result as T;
  }

  /** It hangs with its connections open, until `thaw`. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  get isRunning(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  async kill(): Promise<void> {
    if (!this.child || !this.isRunning) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

/** In the child: answers the calls of its Remote with these actions, until the process of the Remote ends. */
export function serve(actions: Readonly<Record<string, (value: never) => unknown>>): void {
  const answer = async ({ id, action, value }: Question): Promise<Answer> => {
    const act = { ready: () => null, ...actions }[action] as ((value: unknown) => unknown) | undefined;
    if (!act) return { id, error: `There is no action ${action}.` };
    return { id, value: await act(value) };
  };
  process.on('message', (question: Question) => {
    void answer(question)
      .catch((error: unknown) => ({ id: question.id, error: String(error) }))
      .then((sent) => process.send?.(sent));
  });
  process.on('disconnect', () => process.exit());
}
