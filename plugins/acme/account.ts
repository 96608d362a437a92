import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { asMisconfigured, PluginError } from '../../src/plugin-api/errors.js';
import type { AuthorityMemory } from '../../src/plugin-api/issuer.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';
import type { AcmeClient, Signatory } from './acme.client.js';
import type { AcmeOptions } from './acme.options.js';
import { type AccountKey, externalBinding, newAccountKey, publicKeyOf, signedWith, thumbprintOf } from './jws.js';
import { AcmeFailure } from './problem.js';

const StoredKey = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
  d: z.string(),
});
/** `url` and `contacts` are absent until the CA has the account. */
const StoredAccount = z.object({
  key: StoredKey,
  url: z.string().optional(),
  contacts: z.array(z.string()).optional(),
  /** A key that the CA is asked to take in place of `key`; it may have done so. */
  next: StoredKey.optional(),
});
type StoredAccount = z.output<typeof StoredAccount>;

/** What is remembered of an authority: its account at each CA that its options have ever named. */
const Memory = z.object({ accounts: z.record(z.string(), StoredAccount) });
type Accounts = z.output<typeof Memory>['accounts'];

/** The account of an authority, ready to sign for one call. */
export class Account {
  private constructor(
    readonly client: AcmeClient,
    private readonly options: AcmeOptions,
    private readonly memory: AuthorityMemory,
    private accounts: Accounts,
    private stored: StoredAccount,
  ) {}

  /**
   * The account with the CA of the options, registered when there is none. Its key is stored before the CA hears of it,
   * so that a process that dies finds the same account again. Throws PluginError.
   */
  static async open(client: AcmeClient, options: AcmeOptions, memory: AuthorityMemory): Promise<Account> {
    const accounts = accountsIn(memory.authorityState);
    const known = accounts[nameOf(options)];
    const account = new Account(client, options, memory, accounts, known ?? { key: newAccountKey() });
    if (!known) await account.keep();
    if (account.stored.next) await account.finishKeyChange();
    if (account.stored.url === undefined) await account.register();
    else if (!isDeepStrictEqual(account.stored.contacts, options.contacts)) await account.updateContacts();
    return account;
  }

  get thumbprint(): string {
    return thumbprintOf(this.stored.key);
  }

  /**
   * A request that the account signs; without a payload it is POST-as-GET. A CA that has lost the account gets it
   * again, under the same key; what was signed with a key that another call has replaced is signed again. Throws
   * PluginError.
   */
  async post(url: string, payload?: object): Promise<FetchResponse> {
    try {
      return await this.client.post(url, this.signatory, payload);
    } catch (error) {
      if (!(error instanceof AcmeFailure)) throw error;
      if (error.type === 'accountDoesNotExist') await this.register();
      else if (!(await this.hasOtherKey(error))) throw error;
      return this.client.post(url, this.signatory, payload);
    }
  }

  /** Whether another call has replaced the key, after which a CA finds the signature wrong. */
  private async hasOtherKey({ type }: AcmeFailure): Promise<boolean> {
    if (type !== 'malformed' && type !== 'unauthorized') return false;
    const { key } = this.stored;
    await this.keep();
    if (this.stored.next) throw new PluginError('unavailable', 'The key of the account is being replaced.');
    return !isDeepStrictEqual(this.stored.key, key);
  }

  /** Replaces the key (RFC 8555 §7.3.5). Throws PluginError. */
  async changeKey(): Promise<void> {
    if (this.client.directory.keyChange === undefined)
      throw new PluginError('refused', 'The CA changes no keys of accounts.');
    this.stored = { ...this.stored, next: newAccountKey() };
    await this.keep();
    if (!this.stored.next) throw changedMeanwhile();
    await this.finishKeyChange();
  }

  /**
   * The answer to an earlier request may have been lost: the CA says with which of the two keys it knows the account.
   */
  private async finishKeyChange(): Promise<void> {
    const { key, next, url = '', contacts } = this.stored;
    const { keyChange = '' } = this.client.directory;
    if (!next) return;
    const inner = signedWith(
      next,
      { jwk: publicKeyOf(next), url: keyChange },
      { account: url, oldKey: publicKeyOf(key) },
    );
    try {
      await this.client.post(keyChange, this.signatory, inner);
    } catch (error) {
      if (!(error instanceof AcmeFailure) || error.fault === 'unavailable') throw error;
      const isChanged = await this.isKnownBy(next);
      if (!isChanged) {
        this.stored = { key, url, ...(contacts && { contacts }) };
        await this.keep();
        asMisconfigured(error);
      }
    }
    this.stored = { key: next, url, ...(contacts && { contacts }) };
    await this.keep();
  }

  /** Whether the CA has the account under this key. */
  private async isKnownBy(key: AccountKey): Promise<boolean> {
    try {
      const answer = await this.client.post(this.client.directory.newAccount, { key }, { onlyReturnExisting: true });
      return answer.headers.location === this.stored.url;
    } catch (error) {
      // Anything else tells nothing, and a key that may be in use is never dropped.
      if (error instanceof AcmeFailure && error.type === 'accountDoesNotExist') return false;
      throw error;
    }
  }

  private get signatory(): Signatory {
    const { key, url } = this.stored;
    return { key, ...(url !== undefined && { accountUrl: url }) };
  }

  /** RFC 8555 §7.3. A key that has an account gets that one. */
  private async register(): Promise<void> {
    const { key } = this.stored;
    const { newAccount, meta } = this.client.directory;
    const binding = bindingOf(key, newAccount, this.options);
    if (meta.externalAccountRequired && !binding)
      throw new PluginError('misconfigured', 'The CA demands an external account: give its key id and its HMAC key.');
    if (meta.termsOfService !== undefined && !this.options.termsOfServiceAgreed)
      throw new PluginError('misconfigured', `Agree to the terms of service of the CA first: ${meta.termsOfService}`);
    const wanted = {
      termsOfServiceAgreed: this.options.termsOfServiceAgreed,
      contact: contactUrls(this.options),
      ...(binding && { externalAccountBinding: binding }),
    };
    const answer = await this.client.post(newAccount, { key }, wanted).catch(asMisconfigured);
    const { location } = answer.headers;
    if (location === undefined) throw new PluginError('unavailable', 'The CA gave the account no address.');
    this.stored = { key, url: location, contacts: this.options.contacts };
    await this.keep();
  }

  private async updateContacts(): Promise<void> {
    await this.post(this.stored.url ?? '', { contact: contactUrls(this.options) }).catch(asMisconfigured);
    this.stored = { ...this.stored, contacts: this.options.contacts };
    await this.keep();
  }

  /** Another call may have stored its account first: that one counts. */
  private async keep(): Promise<void> {
    const name = nameOf(this.options);
    const accounts = { ...this.accounts, [name]: this.stored };
    this.accounts = accountsIn(await this.memory.saveAuthority(JSON.stringify({ accounts })));
    const kept = this.accounts[name];
    if (!kept) throw changedMeanwhile();
    this.stored = kept;
  }
}

function changedMeanwhile(): PluginError {
  return new PluginError('unavailable', 'The accounts of the authority have changed meanwhile.');
}

function accountsIn(state: string | undefined): Accounts {
  return state === undefined ? {} : Memory.parse(JSON.parse(state)).accounts;
}

/** Another directory, or another external account, is another account. */
function nameOf({ directoryUrl, eabKeyId = '' }: AcmeOptions): string {
  return `${directoryUrl} ${eabKeyId}`.trim();
}

function contactUrls({ contacts }: AcmeOptions): string[] {
  return contacts.map((address) => `mailto:${address}`);
}

function bindingOf(key: AccountKey, url: string, { eabKeyId, eabHmacKey }: AcmeOptions): object | undefined {
  if (eabKeyId === undefined || eabHmacKey === undefined) return undefined;
  return externalBinding(key, { keyId: eabKeyId, macKey: Buffer.from(eabHmacKey, 'base64url'), url });
}
