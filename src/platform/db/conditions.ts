/**
 * SQL conditions joined by `and`, and the values of their parameters in order. Several can share the values of one
 * statement.
 */
export class Conditions {
  private readonly parts: string[] = [];

  constructor(readonly values: unknown[] = []) {}

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
