import { buildCsr } from '../../src/pki/csr.js';
import { generatePrivateKey } from '../../src/pki/key.js';
import { requestFor, type SigningCa, startSigningCa } from './signing-ca.js';

/** A CA that can be told to certify a key of its own choice, and to issue with another certificate from now on. */
export interface ChangingCa extends SigningCa {
  /** The next certificates are for this key and these names, whatever the CSR says. */
  mistakesKey: boolean;
  /** From now on it issues by another issuing certificate, under another root. */
  change(): void;
  /** What it issues by now. */
  readonly current: SigningCa;
}

export async function startChangingCa(names: readonly string[]): Promise<ChangingCa> {
  const [first, second] = [startSigningCa(), startSigningCa()];
  const { terms } = (await requestFor(names)).order.request;
  const otherCsr = await buildCsr(terms, await generatePrivateKey('ECCPRIME256V1'));
  let current = first;
  const ca: ChangingCa = {
    mistakesKey: false,
    change: () => {
      current = second;
    },
    get current() {
      return current;
    },
    get rootPem() {
      return current.rootPem;
    },
    get issuingPem() {
      return current.issuingPem;
    },
    get issuingKeyPem() {
      return current.issuingKeyPem;
    },
    sign: (csrPem, days) => current.sign(ca.mistakesKey ? otherCsr : csrPem, days),
    signUntil: (csrPem, end) => current.signUntil(ca.mistakesKey ? otherCsr : csrPem, end),
    pkcs7: (pem, form) => current.pkcs7(pem, form),
    verify: (chainPem) => current.verify(chainPem),
    close: () => {
      first.close();
      second.close();
    },
  };
  return ca;
}
