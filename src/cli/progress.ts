import { SingleBar } from 'cli-progress';
import { watched } from '../platform/terminal.js';

const patienceMs = 1000;

/** A progress bar on stderr. Shown after one second, and only at a terminal. */
export class Progress {
  private readonly begunAtMs = performance.now();
  private bar: SingleBar | null = null;
  private done = 0;

  constructor(
    private readonly label: string,
    private readonly total: number,
    private readonly shown: boolean,
  ) {}

  advance(by = 1): void {
    this.done += by;
    if (this.bar === null && this.shown && watched() && performance.now() - this.begunAtMs > patienceMs) {
      this.bar = new SingleBar({
        format: `${this.label} {bar} {value}/{total}, {eta_formatted} left`,
        clearOnComplete: true,
        hideCursor: true,
      });
      this.bar.start(this.total, 0);
    }
    this.bar?.update(this.done);
  }

  stop(): void {
    this.bar?.stop();
  }
}
