/** Work of this process at the same place, one after another. */
export class Turns {
  private readonly last = new Map<string, Promise<unknown>>();

  /** Runs `work` when what came before it at `place` has ended, well or not. */
  async take<T>(place: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.last.get(place) ?? Promise.resolve()).then(work, work);
    const settled = turn.catch(() => undefined);
    this.last.set(place, settled);
    try {
      return await turn;
    } finally {
      if (this.last.get(place) === settled) this.last.delete(place);
    }
  }
}
