import { Unexpected } from './expect.mjs';

const titleWidth = 49;

/** Prints one line per step: its number, its seconds, what was done, what was seen. Colours only on a terminal. */
export class Narrator {
  #number = 0;
  #begin = performance.now();
  #silent = false;
  #colours = process.stdout.isTTY && !process.env.NO_COLOR;

  /** Plays one step. `act` gives an object whose `seen` says what was seen; so does this. */
  async step(title, act) {
    this.#number += 1;
    const begin = performance.now();
    try {
      const outcome = await act();
      this.#line('32', begin, title, outcome.seen);
      return outcome;
    } catch (error) {
      this.#line('31', begin, title, 'FAILED');
      throw error;
    }
  }

  /** The last line of a story that went well. */
  closing() {
    this.#print(this.#paint('32', `All ${this.#number} steps are as they should be, in ${seconds(this.#begin)} s.`));
  }

  /** What went wrong, and the last lines of the program's log. */
  failure(error, logLines) {
    if (error instanceof Unexpected) {
      this.#print(
        [`  ${error.message}`, `  expected: ${indent(error.expected)}`, `  seen:     ${indent(error.seen)}`].join('\n'),
      );
    } else {
      this.#print(`  ${indent(error.stack ?? String(error))}`);
    }
    if (logLines.length > 0)
      this.#print(['  The last lines of the program:', ...logLines.map((line) => `  | ${line}`)].join('\n'));
  }

  say(line) {
    this.#print(line);
  }

  /** Nothing that happens from now on is worth a line. */
  silence() {
    this.#silent = true;
  }

  #line(colour, begin, title, seen) {
    const number = this.#paint(colour, String(this.#number).padStart(2));
    this.#print(`${number} ${seconds(begin).padStart(5)} s  ${title.padEnd(titleWidth)}  ${seen}`);
  }

  #paint(colour, text) {
    return this.#colours ? `\u001b[${colour}m${text}\u001b[0m` : text;
  }

  #print(text) {
    if (!this.#silent) process.stdout.write(`${text}\n`);
  }
}

function seconds(begin) {
  return ((performance.now() - begin) / 1000).toFixed(1);
}

function indent(text) {
  return text.replaceAll('\n', '\n            ');
}
