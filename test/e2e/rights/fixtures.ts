import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildCsr } from '../../../src/pki/csr.js';
import { generatePrivateKey } from '../../../src/pki/key.js';
import { startTestAuthority } from '../../support/bundles.js';
import type { TestProgram } from '../../support/program.js';

/** The team that owns everything that a fixture makes. */
export const team = 'team@example.com';
export const password = 'Correct-Horse-2!';

/** Makes things of the team, new ones for every request that may change them. All by the hand of the administrator. */
export class Fixtures {
  private readonly elsewhere = startTestAuthority();
  readonly folder = mkdtempSync(join(tmpdir(), 'rights-'));
  private count = 0;
  private csr = '';
  /** Nothing is issued from it: rules that speak of it stand in nobody's way. */
  private otherAuthorityId = 0;
  /** A certificate that requests only look at, and its name. */
  sharedId = 0;
  sharedName = '';

  constructor(private readonly program: TestProgram) {}

  async prepare(): Promise<void> {
    this.otherAuthorityId = await this.authority();
    this.csr = await buildCsr(
      { subject: { commonName: 'csr.example.com' }, subjectAltNames: [] },
      await generatePrivateKey('ECCPRIME256V1'),
    );
    await this.make('/authorities', { name: 'team', owner: team, commonName: 'Team CA' });
    const rules = { validity: { maxDays: 1 }, noRevocation: true, stored: false };
    await this.make('/profiles', { name: 'unstored', rules });
    const { id, name } = await this.program.ok('POST', '/certificates', this.request());
    [this.sharedId, this.sharedName] = [id, name];
    await this.program.database.source.query(
      `insert into mail (recipients, subject, text, dedupe_key) values ('{a@example.com}', 'Subject', 'Text',
        'rights')`,
    );
  }

  close(): void {
    this.elsewhere.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A word that nothing has yet. */
  word(): string {
    this.count += 1;
    return `thing-${this.count}`;
  }

  async make(path: string, body: object): Promise<number> {
    return (await this.program.ok('POST', path, body)).id;
  }

  request(more: object = {}): object {
    return {
      owner: team,
      authority: { name: 'team' },
      commonName: `${this.word()}.example.com`,
      validityDays: 30,
      ...more,
    };
  }

  /** What the issuer signed for a request that counts as unfinished. */
  private readonly answers = new Map<number, { chainPem: string; serialHex: string }>();

  certificate = (more: object = {}): Promise<number> => this.make('/certificates', this.request(more));
  authority = (): Promise<number> =>
    this.make('/authorities', { name: this.word(), owner: team, commonName: this.word() });
  revocationRun = async (): Promise<number> =>
    (await this.program.ok('POST', '/revocations', { ids: [await this.certificate()], dryRun: false })).run.id;
  replacementBody = async (): Promise<object> => ({
    ids: [await this.certificate()],
    reason: 'A test.',
    includeRotationOff: true,
    dryRun: false,
  });
  replacementRun = async (): Promise<number> =>
    (await this.program.ok('POST', '/replacements', await this.replacementBody())).run.id;
  csrBody = (): object => ({ name: this.word(), owner: team, commonName: this.word() });
  authorityCsr = (): Promise<number> => this.make('/authorities/csrs', this.csrBody());
  destination = (): Promise<number> => this.make('/destinations', this.destinationBody());
  /** It gets no certificates: none has this label. */
  filteredDestination = async (): Promise<number> => {
    const id = await this.destination();
    await this.program.ok('PUT', `/destinations/${id}/filter`, { label: 'of-no-certificate' });
    return id;
  };
  dnsProvider = (): Promise<number> => this.make('/dns_providers', this.dnsProviderBody());
  source = (more: object = {}): Promise<number> => this.make('/sources', { ...this.sourceBody(), ...more });
  notification = (): Promise<number> => this.make('/notifications', this.notificationBody());
  channel = (): Promise<number> => this.make('/channels', this.channelBody());
  subscription = async (): Promise<number> => this.make('/subscriptions', await this.subscriptionBody());
  /** Of a revocation: nothing sends it here. */
  async notice(): Promise<number> {
    const id = await this.certificate();
    await this.program.ok('PUT', `/certificates/${id}/revoke`, {});
    return (await this.program.ok('GET', `/notices?certificateId=${id}`)).items[0].id;
  }
  async acknowledged(): Promise<[id: number, event: string]> {
    const [id, event] = [await this.certificate(), 'certificate.expiring'] as const;
    await this.program.ok('PUT', `/certificates/${id}/acknowledgements/${event}`, { reason: 'known' });
    return [id, event];
  }
  policy = (): Promise<number> => this.make('/policies', { name: this.word(), days: 5 });
  pauseBody = async (): Promise<object> => ({
    scope: 'certificate',
    certificate: { id: await this.certificate() },
    reason: 'A test.',
  });
  pause = async (): Promise<number> => this.make('/rotation/pauses', await this.pauseBody());
  profile = (): Promise<number> => this.make('/profiles', { name: this.word(), rules: {} });
  signBody = (): object => this.request({ csr: this.csr });
  signUnstoredBody = (): object => ({ owner: team, csr: this.csr, profile: { name: 'unstored' } });
  role = (more: object = {}): Promise<number> => this.make('/roles', { name: this.word(), ...more });
  user = (): Promise<number> => this.make('/users', this.userBody());

  key = (): Promise<number> => this.make('/keys', { name: this.word(), ttl: 1 });

  domain = (): Promise<number> => this.make('/domains', { name: `${this.word()}.example.com`, sensitive: false });
  domainRule = (): Promise<number> => this.make('/domain-rules', this.domainRuleBody());

  domainRuleBody(): object {
    return { patterns: [`.${this.word()}.example.net`], role: { name: team }, authorityId: this.otherAuthorityId };
  }

  async deleted(): Promise<number> {
    const id = await this.certificate();
    await this.program.ok('DELETE', `/certificates/${id}`);
    return id;
  }

  tlsSource(): object {
    return { id: 'tls-endpoints', options: { hosts: ['192.0.2.7'] } };
  }

  sourceBody(): object {
    return {
      label: this.word(),
      owner: team,
      active: false,
      plugin: { id: 'filesystem-source', options: { path: this.folder } },
    };
  }

  async endpoint(): Promise<number> {
    const [{ id }] = await this.program.database.source.query<[{ id: number }]>(
      `insert into endpoint (source_id, external_id, port, name, dns_name, owner, type, policy_name, first_seen_at,
        last_seen_at)
       values ($1, 'a', 443, 'a', 'a', $2, 'tls', 'observed', now(), now()) returning id`,
      [await this.source(), team],
    );
    return id;
  }

  destinationBody(): object {
    return { label: this.word(), plugin: { id: 'filesystem', options: { path: join(this.folder, this.word()) } } };
  }

  dnsProviderBody(): object {
    const options = { server: '127.0.0.1', port: 1, zones: ['example.com'], keyName: 'k', keySecret: 'c2VjcmV0' };
    return { name: this.word(), plugin: { id: 'rfc2136', options } };
  }

  notificationBody(): object {
    return { label: this.word(), plugin: { id: 'email', options: { recipients: 'ops@example.com' } } };
  }

  channelBody(): object {
    return { label: this.word(), plugin: { id: 'email', options: { recipients: 'ops@example.com' } } };
  }

  async subscriptionBody(): Promise<object> {
    return { label: this.word(), channel: { id: await this.channel() }, events: ['certificate.revoked'] };
  }

  userBody(): object {
    const word = this.word();
    return { username: word, email: `${word}@example.com`, password, roles: [] };
  }

  /** One that its issuer has not answered for: as a crash leaves it. */
  async unfinished(): Promise<number> {
    const id = await this.certificate({ csr: this.csr, commonName: undefined });
    const { body, chain, serialHex } = await this.program.ok('GET', `/certificates/${id}`);
    this.answers.set(id, { chainPem: body + chain, serialHex });
    await this.program.database.source.query(
      `update certificate set state = 'requested', body_der = null, chain_id = null, serial_hex = null, sha256 = null,
        issuer_sha256 = null, next_renewal_at = null, next_attempt_at = now() + interval '1 day' where id = $1`,
      [id],
    );
    await this.program.database.source.query(
      `insert into certificate_order (certificate_id, secret_id, asked_at, deadline_at)
       values ($1, gen_random_uuid(), now(), now() + interval '2 days')`,
      [id],
    );
    return id;
  }

  /** One whose issuer answered, with an answer that is in dispute. */
  async disputed(): Promise<number> {
    const id = await this.unfinished();
    const { chainPem, serialHex } = this.answers.get(id) ?? {};
    await this.program.database.source.query(
      `update certificate_order set disputed_at = now(), disputed_chain_pem = $2, disputed_serial_hex = $3
       where certificate_id = $1`,
      [id, chainPem, serialHex],
    );
    return id;
  }

  /** A certificate that its owner has not accepted, as after a hand-over by someone without the owner's role. */
  async handedOver(): Promise<number> {
    const id = await this.certificate();
    await this.program.database.source.query('update certificate set vouching_role = null where id = $1', [id]);
    return id;
  }

  /** A certificate that nobody here has issued. */
  foreignPem(): string {
    return this.elsewhere.issue(`${this.word()}.example.com`).chainPem.join('');
  }

  upload(): { owner: string; body: string; chain: string | undefined } {
    const [body = '', chain] = this.elsewhere.issue(`${this.word()}.example.com`).chainPem;
    return { owner: team, body, chain };
  }

  bulkUpload(): { owner: string; pem: string } {
    return { owner: team, pem: this.foreignPem() };
  }

  /** The certificate of a CA that is not here. */
  caChain(): string {
    return this.elsewhere.issue(`${this.word()}.example.com`).chainPem.slice(1).join('');
  }

  /** A certificate that is to be delivered to a destination. */
  async deployed(): Promise<number> {
    return this.certificate({ destinations: [{ id: await this.destination() }] });
  }

  /** A delivery that has arrived. */
  async delivered(): Promise<number> {
    const id = await this.delivery();
    await this.program.database.source.query(
      `update delivery set state = 'delivered', location = 'x-' || id, delivered_at = now() where id = $1`,
      [id],
    );
    return id;
  }

  async delivery(): Promise<number> {
    return (await this.program.ok('GET', `/certificates/${await this.deployed()}/deliveries`)).items[0].id;
  }

  /** A user, and an identity that the user has at a provider. */
  async identity(): Promise<[userId: number, identityId: number]> {
    const userId = await this.user();
    const [{ id }] = await this.program.database.source.query(
      `insert into user_identity (user_id, issuer, subject) values ($1::int, 'https://id.example.com', $1::int)
        returning id`,
      [userId],
    );
    return [userId, id];
  }

  async deadJob(): Promise<string> {
    const id = randomUUID();
    await this.program.database.source.query(
      `insert into outbox (id, job, data, state, finished_at) values ($1, 'nothing-runs-this', '{}', 'dead', now())`,
      [id],
    );
    return id;
  }

  async mail(): Promise<number> {
    const [{ id }] = await this.program.database.source.query('select min(id) as id from mail');
    return id;
  }
}
