import { Client, types } from 'pg';

/** `timestamp` of Postgres has no time zone: read it as UTC, whatever the zone of this machine. */
const timestampOid = 1114;
const typesOfOurs = {
  getTypeParser: (oid: number, format?: 'text' | 'binary'): ((value: string) => unknown) =>
    oid === timestampOid
      ? (text) => new Date(`${text.replace(' ', 'T')}Z`)
      : (types.getTypeParser(oid, format) as (value: string) => unknown),
};

/** A read-only snapshot of another program's database. */
export class Snapshot {
  private constructor(private readonly client: Client) {}

  /** `url` may be in SQLAlchemy's form, with a driver behind the scheme. Throws an Error without the password. */
  static async open(url: string): Promise<Snapshot> {
    const connectionString = url.replace(/^postgres(?:ql)?\+\w+:/, 'postgresql:');
    // pg reads any other text as a database name at the default host.
    if (!/^postgres(?:ql)?:\/\//.test(connectionString))
      throw new Error('That database cannot be read: its URL must start with postgresql://.');
    const client = new Client({
      connectionString,
      application_name: 'perennial',
      connectionTimeoutMillis: 15_000,
      types: typesOfOurs,
      options: '-c default_transaction_read_only=on -c idle_in_transaction_session_timeout=0 -c statement_timeout=0',
    });
    // A connection that is lost makes the next query fail, which is enough.
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('begin transaction isolation level repeatable read, read only');
      return new Snapshot(client);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw new Error(
        'That database cannot be read: ' +
          `${error instanceof Error ? error.message || (error as NodeJS.ErrnoException).code : String(error)}`,
        { cause: error },
      );
    }
  }

  async rows<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.client.query(text, [...values])).rows as Row[];
  }

  async close(): Promise<void> {
    await this.client.end();
  }
}
