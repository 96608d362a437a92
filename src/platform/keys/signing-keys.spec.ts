import { createPublicKey, randomBytes, randomUUID, verify } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { generatePrivateKey, spkiOf } from '../../pki/key.js';
import type { Signer } from '../../plugin-api/signer.js';
import { Clock } from '../clock.js';
import { loadConfig } from '../config.js';
import { KeyMaker, privateKeyPem } from '../key-maker.js';
import { createLog } from '../log.js';
import { KeyRing, KeyRingError } from '../secrets/key-ring.js';
import { Pkcs11Keys } from './pkcs11-keys.js';
import { Pkcs11Token } from './pkcs11-token.js';
import { SigningKeys } from './signing-keys.js';

const ring = new KeyRing([{ id: 'ring', key: randomBytes(32) }]);
let test: TestDatabase;
let store: SigningKeys;
beforeAll(async () => {
  test = await createTestDatabase();
  store = storeWith(ring);
});
afterAll(() => test.drop());

function storeWith(keyRing: KeyRing): SigningKeys {
  const log = createLog('silent');
  const token = new Pkcs11Keys(new Pkcs11Token(loadConfig({}), log));
  return new SigningKeys(test.db, new Clock(), new KeyMaker(), keyRing, token, log);
}

async function signs(signer: Signer): Promise<boolean> {
  const data = Buffer.from('to be signed');
  const key = createPublicKey({ key: signer.spkiDer, format: 'der', type: 'spki' });
  return verify('sha256', data, key, await signer.sign('sha256', data));
}

/** An authority as the version before the table `signing_key` stored it. */
async function storeOldAuthority(sealedKey: Buffer, secretId: string): Promise<number> {
  const [{ id }] = await test.source.query(
    `insert into authority (name, owner, active, plugin_id, options, secret_id, certificate_pem, chain_pem, common_name,
       serial_hex, not_before, not_after, key_type, bits, signing_algorithm, sealed_key, is_private, is_cn_optional,
       version, created_at)
     values ('old', 'pki@example.com', true, 'local-ca', '{}', $1, '', '{}', 'Old', '01', now(), now(),
       'ECCPRIME256V1', 256, 'sha256', $2, false, true, 1, now()) returning id`,
    [secretId, sealedKey],
  );
  return id;
}

describe('the key store in the database', () => {
  it('makes a key that signs, and gives the same key again by its reference', async () => {
    const { ref, signer } = await store.create({ keyType: 'ECCPRIME256V1', userId: 0 });
    const again = await store.signerFor(ref);
    expect([await signs(signer), await signs(again)]).toEqual([true, true]);
    expect(again.spkiDer).toEqual(signer.spkiDer);
  });

  it('shows no private key of a signer, whatever prints it', async () => {
    const privateKey = await generatePrivateKey('ECCPRIME256V1');
    const signer = await store.signerFor(await store.adopt(test.db.single, privateKey));
    const secret = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url');
    const shown = inspect(signer, { depth: 9, showHidden: true }) + JSON.stringify(signer);
    for (const encoding of ['hex', 'base64', 'base64url'] as const)
      expect(shown.replaceAll(' ', '')).not.toContain(secret.toString(encoding));
    expect(signer.spkiDer).toEqual(spkiOf(privateKey));
  });

  it('keeps an adopted key only if the transaction of the caller is committed', async () => {
    const privateKey = await generatePrivateKey('ECCPRIME256V1');
    let ref = 0;
    await expect(
      test.db.write(async (tx) => {
        ref = await store.adopt(tx, privateKey);
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    await expect(store.signerFor(ref)).rejects.toThrow(`There is no signing key ${ref}.`);
  });

  it('does not open a key that was moved to another row or sealed by another ring', async () => {
    const { ref } = await store.create({ keyType: 'ECCPRIME256V1', userId: 0 });
    const other = await store.create({ keyType: 'ECCPRIME256V1', userId: 0 });
    await test.source.query(
      'update signing_key set sealed_key = (select sealed_key from signing_key where id = $2) where id = $1',
      [ref, other.ref],
    );
    await expect(store.signerFor(ref)).rejects.toThrow(KeyRingError);
    await expect(storeWith(new KeyRing([{ id: 'ring', key: randomBytes(32) }])).signerFor(other.ref)).rejects.toThrow(
      KeyRingError,
    );
  });

  it('takes over the keys of an older version, and forgets none that an authority has', async () => {
    await test.source.query('delete from signing_key');
    let undone = '';
    while (undone !== 'SigningKeys1763700000044') {
      [{ name: undone }] = await test.source.query('select name from migration order by id desc limit 1');
      await test.source.undoLastMigration();
    }
    const [privateKey, secretId] = [await generatePrivateKey('ECCPRIME256V1'), randomUUID()];
    const sealed = ring.seal(privateKeyPem(privateKey), `authority.sealed_key.${secretId}`);
    const id = await storeOldAuthority(sealed.bytes, secretId);
    await test.source.runMigrations();

    const [{ key_id: ref }] = await test.source.query('select key_id from authority where id = $1', [id]);
    const signer = await store.signerFor(ref);
    expect([await signs(signer), signer.spkiDer]).toEqual([true, spkiOf(privateKey)]);
    await expect(store.forget(ref)).rejects.toMatchObject({ driverError: { constraint: 'authority_key' } });
    await test.source.query('delete from authority');
    await store.forget(ref);
    await expect(store.signerFor(ref)).rejects.toThrow('There is no signing key');
  });
});
