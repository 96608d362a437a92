/** SQL conditions joined by `and`, and the values of their parameters in order. */
export class Conditions {
  readonly values: unknown[] = [];
  private readonly parts: string[] = [];

  /** `?` in `sql` stands for `value`, any number of times. */
  add(sql: string, value?: unknown): void {
    this.parts.push(value === undefined ? sql : sql.replaceAll('?', this.bind(value)));
  }

  /** One more parameter; gives its name. */
  bind(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  get sql(): string {
    return this.parts.length > 0 ? this.parts.join(' and ') : 'true';
  }
}
