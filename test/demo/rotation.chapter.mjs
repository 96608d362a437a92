import { serialAtSite, site } from './certificates.chapter.mjs';
import { expectMatch, expectSame, serialOf, Unexpected, until } from './expect.mjs';

const waitMs = 60_000;

/**
 * Nothing is done, and the certificate is renewed; its successor is then revoked and retired. Gives the successor as
 * it was before that.
 */
export async function rotate(stage, { web, rootFile }) {
  const { narrator, program } = stage;
  await narrator.step('Do nothing, until the web site shows another', () => watchChange(stage));
  await narrator.step('Visit the web site again with openssl s_client', async () => {
    const serial = await serialAtSite(stage, rootFile);
    expectSame('the serial that a TLS client sees', serial, stage.visitor.changes.at(-1).serial);
    return { seen: `serial ${serial}` };
  });
  const { successor } = await narrator.step('See who replaced whom', () => seeLinks(stage, web));
  await narrator.step('Read the mail about the rotation', () => readRotationMail(stage.mailbox, web, successor));
  await narrator.step('Revoke the new certificate, which is retired', () => revoke(program, successor));
  await narrator.step('Read the mail about the revocation', () =>
    readMail(stage.mailbox, { subject: `${site}: revoked`, to: ['joe@example.com'], words: ['keyCompromise'] }),
  );
  await narrator.step('Read the warning about the other certificate', () =>
    readMail(stage.mailbox, {
      subject: 'csr.example.com expires',
      to: ['ops@example.com', 'joe@example.com'],
      words: ['csr.example.com', 'not automatic'],
    }),
  );
  return { successor };
}

async function watchChange({ visitor, reloads, webServer }) {
  await until('the serial changes', () => visitor.changes.length > 1, {
    timeoutMs: waitMs,
    describe: () => `${visitor.visits} visits, always ${visitor.changes[0].serial}`,
  });
  if (webServer.fault) throw webServer.fault;
  await until('the reload command runs again', () => reloads.count === 2, { describe: () => `${reloads.count} times` });
  expectSame('visits that failed', visitor.failures, []);
  const [, { visit }] = visitor.changes;
  return { seen: `at visit ${visit}; none of ${visitor.visits} failed` };
}

async function seeLinks({ program, visitor }, web) {
  const old = await until(
    'the old certificate is superseded',
    async () => {
      const found = await program.get(`/certificates/${web.id}`);
      return found.lifecycle === 'superseded' && found;
    },
    { describe: async () => (await program.get(`/certificates/${web.id}`)).lifecycle },
  );
  expectSame('how many replaced it', old.replacedBy.length, 1);
  const successor = await program.get(`/certificates/${old.replacedBy[0].id}`);
  expectSame(
    'what the new one replaces',
    successor.replaces.map(({ id }) => id),
    [web.id],
  );
  expectSame('its serial', serialOf(successor.serialHex), visitor.changes.at(-1).serial);
  expectSame('its names', successor.extensions.subAltNames, web.extensions.subAltNames);
  if (successor.csr === web.csr) throw new Unexpected('The new certificate has a new key.', 'another CSR', 'the same');
  return { successor, seen: `${old.id} (superseded) -> ${successor.id} (${successor.lifecycle})` };
}

function readRotationMail(mailbox, before, after) {
  const words = [site, 'web', ...[before, after].flatMap(({ name, serialHex }) => [name, serialHex])];
  return readMail(mailbox, { subject: `${site}: renewed`, to: ['joe@example.com'], words });
}

/** Waits for a mail; its text and its HTML must both hold all the words. */
async function readMail(mailbox, { subject, to, words }) {
  const mail = await until(`a mail "${subject}"`, () => mailbox.find(subject), {
    timeoutMs: waitMs,
    describe: () => mailbox.describe(),
  });
  expectSame('its recipients', mail.to, to);
  for (const word of words) {
    if (!mail.text.includes(word)) throw new Unexpected('the text of the mail', `"${word}" in it`, mail.text);
    if (!mail.html.includes(word)) throw new Unexpected('the HTML of the mail', `"${word}" in it`, mail.html);
  }
  return { seen: `to ${to.join(', ')}: "${mail.subject}", text and HTML` };
}

async function revoke(program, { id }) {
  await program.put(`/certificates/${id}/revoke`, { crlReason: 'keyCompromise', replace: false });
  const revoked = await program.get(`/certificates/${id}`);
  expectSame('its state', [revoked.lifecycle, revoked.status], ['revoked', 'revoked']);
  expectSame('when it renews', revoked.renewal.at, null);
  expectSame('when it is warned about', revoked.nextNoticeAt, null);
  const plan = await program.get(`/certificates/${id}/plan`);
  expectSame('whether it renews', plan.willRenew, false);
  expectMatch('why not', plan.text, /revoked/);
  return { seen: `${plan.text} No renewal, no warning` };
}
