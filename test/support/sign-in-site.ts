import { expect } from 'vitest';
import { Browser, type Page } from './browser.js';
import { startIssuer, type TestIssuer } from './oidc-issuer.js';
import { startProgram, type TestProgram } from './program.js';

export const home = 'https://pki.example.org';
export const callback = `${home}/api/1/auth/oidc/callback`;
export const login = `${home}/api/1/auth/oidc/login`;
const client = {
  client_id: 'perennial',
  client_secret: 'a secret of the client',
  redirect_uris: [callback],
  scope: 'openid email profile groups',
};

/** A program at `home`, and the OpenID provider at which its people sign in. */
export class SignInSite {
  private constructor(
    readonly issuer: TestIssuer,
    readonly program: TestProgram,
  ) {}

  static async start(): Promise<SignInSite> {
    const issuer = await startIssuer([client]);
    const program = await startProgram({
      PUBLIC_URL: home,
      PERENNIAL_ROLE: 'api',
      OIDC_ISSUER: issuer.issuer,
      OIDC_CLIENT_ID: 'perennial',
      OIDC_CLIENT_SECRET: client.client_secret,
      OIDC_SCOPES: 'openid email profile groups',
      IDP_ROLES_MAPPING: 'pki-admins=admin, pki-ops=operator, the web=web@example.com',
      IDP_OWNER_DOMAINS: 'teams.example.com',
      SENSITIVE_DOMAIN_ROLES: 'bank',
    });
    return new SignInSite(issuer, program);
  }

  async stop(): Promise<void> {
    await this.program.stop();
    await this.issuer.stop();
  }

  /** The provider as it should be, and five minutes' failures anew. */
  calm(): void {
    this.issuer.forge = null;
    this.issuer.outage = null;
    this.program.clock.advance(301_000);
  }

  readonly newBrowser = (): Browser => new Browser({ [home]: this.program.url });

  /** Somebody the provider knows, with a verified address. */
  readonly person = (name: string, claims: Record<string, unknown> = {}): string => {
    this.issuer.people.set(name, {
      preferred_username: name,
      email: `${name}@example.com`,
      email_verified: true,
      ...claims,
    });
    return name;
  };

  /** From the login page to our answer. */
  readonly signIn = async (name: string, browser = this.newBrowser(), from = login): Promise<Page> =>
    browser.visit(await browser.signIn(from, name, callback), { stopAt: home });

  /** Who the session is of that a page has opened. */
  readonly me = async (page: Page): Promise<{ username: string; email: string; roles: string[]; id: number }> => {
    const { token } = JSON.parse(page.text) as { token: string };
    const { body } = await this.program.call('GET', '/auth/me', undefined, { token });
    return { ...body, roles: (body.roles as { name: string }[]).map((role) => role.name).sort() };
  };

  readonly lastRefusal = async (): Promise<{ reason: string; way: string }> => {
    const [{ after }] = await this.program.database.source.query<[{ after: { reason: string; way: string } }]>(
      `select after from audit_event where action = 'session.refused' order by id desc limit 1`,
    );
    return after;
  };

  readonly expectRefused = async (page: Page, reason: RegExp): Promise<void> => {
    expect(page.status, page.text).toBe(403);
    expect(JSON.parse(page.text)).toMatchObject({ type: `${home}/problems/sign-in-refused` });
    expect((await this.lastRefusal()).reason).toMatch(reason);
  };
}
