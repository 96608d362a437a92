import { randomUUID } from 'node:crypto';
import type { Authority } from '../authorities/authority.entity.js';
import { AuthorityRepository } from '../authorities/authority.repository.js';
import { factsOf } from '../authorities/ca-chain.js';
import { isSelfIssued, isSignedBy, parseCertificate, type ParsedCertificate } from '../pki/certificate.js';
import { orderChain, readLeafFirst } from '../pki/chain.js';
import { splitCertificates, toPem } from '../pki/pem.js';
import type { Tx } from '../platform/db/database.js';
import { KeyStore } from '../platform/keys/key-store.js';
import { ConfiguredPlugins, type StoredPlugin } from '../platform/plugins/configured-plugin.js';
import { explainFault } from './fault-text.js';
import { authorities, certificates, type LemurAuthority, type LemurCertificate } from './lemur-rows.js';
import { optionsIn, shown } from './plugin-options.js';
import { freeLabel, type Run, type Step, type Taken } from './run.js';
import { openKey } from './stored-key.js';

const table = authorities.name;
const rolesOfAuthorities = { table: 'roles_authorities', of: 'authority_id', to: 'role_id' };

/** An authority of Lemur with its CA certificate. */
interface Found {
  row: LemurAuthority;
  ca: LemurCertificate | null;
  leaf: ParsedCertificate;
  chain: ParsedCertificate[];
}

/**
 * Imports authorities with CA certificate and key. CA certificates are not listed as certificates: nobody can export
 * their keys. Authorities of Lemur's own CA can issue at once. Authorities without a plugin here are inactive and keep
 * the links of their certificates.
 */
export async function importAuthorities(run: Run): Promise<void> {
  const { lemur } = run.parts;
  const rows = await lemur.all(authorities);
  const cas = new Map(
    (
      await lemur.all(
        certificates,
        lemur.has('certificates', 'root_authority_id') ? 'root_authority_id is not null' : 'false',
      )
    ).map((ca) => [ca.rootAuthorityId, ca]),
  );
  const rolesOf = await lemur.linked(
    rolesOfAuthorities,
    rows.map(({ id }) => id),
  );
  await run.step(async (step) => {
    step.report.count(table, 'rows', rows.length);
    const known = await run.legacy.known(step.tx, 'authority');
    step.report.count(table, 'unchanged', rows.filter(({ id }) => known.has(id)).length);
    const found = rows.filter(({ id }) => !known.has(id)).flatMap((row) => read(step, row, cas.get(row.id) ?? null));
    const standing = await run.parts.get(AuthorityRepository).all(step.tx);
    const everyone = standing.map(({ id, certificatePem }) => ({ id, leaf: parseCertificate(certificatePem) }));
    const names = new Set(standing.map(({ name }) => name.toLowerCase()));
    const taken: Taken[] = [];
    for (const one of await parentsFirst(found))
      taken.push(await take(run, step, one, { everyone, names, roleIds: rolesOf.get(one.row.id) ?? [] }));
    await run.remember(step, 'authority', taken);
  });
}

function read({ report }: Step, row: LemurAuthority, ca: LemurCertificate | null): Found[] {
  try {
    const { leaf, restPem } = readLeafFirst(ca?.body || row.body || '');
    const chainText = restPem + (ca?.chain || row.chain || '');
    return [
      {
        row,
        ca,
        leaf,
        chain: chainText.includes('-----BEGIN') ? splitCertificates(chainText).map((pem) => parseCertificate(pem)) : [],
      },
    ];
  } catch (error) {
    report.count(table, 'left');
    const facts = { plugin: row.pluginName, owner: row.owner, options: shown(row.options) };
    report.note({
      kind: 'fault',
      table,
      id: row.id,
      name: row.name,
      text:
        'Its CA certificate cannot be read: it was not imported, and its certificates are ' +
        `without an authority: ${explainFault(error)}.`,
      facts,
    });
    return [];
  }
}

interface Surroundings {
  everyone: { id: number; leaf: ParsedCertificate }[];
  names: Set<string>;
  roleIds: readonly number[];
}

async function take(run: Run, step: Step, found: Found, { everyone, names, roleIds }: Surroundings): Promise<Taken> {
  const { row, ca, leaf } = found;
  const { tx, report } = step;
  const name = freeLabel(row.name, names);
  if (name !== row.name)
    report.note({
      kind: 'changed',
      table,
      id: row.id,
      name: row.name,
      text: `Another authority has this name; it was renamed to ${name}.`,
    });
  const issuers = await orderChain(leaf, [...found.chain, ...everyone.map((one) => one.leaf)]).catch(() => found.chain);
  const parent = everyone.find((one) => issuers[0] !== undefined && one.leaf.der.equals(issuers[0].der));
  const secrets = pluginFor(run, step, row);
  const keyId = await takeKey(run, step, found);
  const active =
    row.active !== false &&
    secrets.usable &&
    (secrets.pluginId !== 'local-ca' || (keyId !== null && canSign(step, found)));
  const [creatorId = null] = (await run.legacy.ids(tx, 'user', [row.userId ?? ca?.userId ?? 0])).values();
  const saved = await run.parts.get(AuthorityRepository).add(
    tx,
    {
      name,
      owner: (row.owner ?? ca?.owner ?? '').trim().toLowerCase(),
      description: row.description,
      active,
      pluginId: secrets.pluginId,
      options: secrets.options,
      sealedOptions: secrets.sealedOptions,
      secretId: secrets.secretId,
      parentId: parent?.id ?? null,
      ...factsOf({ certificatePem: pemOf(leaf), chainPem: issuers.map(pemOf) }),
      keyId,
      maxValidityDays: null,
      defaultValidityDays: null,
      orderDeadlineDays: null,
      isPrivate: false,
      ...flagsOf(row),
      validityBeyondCa: 'refuse',
      defaultProfileId: null,
      allowedProfileIds: [],
      creatorId,
      version: 1,
      createdAt: row.dateCreated ?? run.parts.now,
    },
    await rolesHere(run, tx, roleIds),
  );
  everyone.push({ id: saved.id, leaf });
  report.count(table, 'imported');
  return { legacyId: row.id, id: saved.id, name };
}

/**
 * Keeps the slug of a missing plugin. Options from Lemur's configuration must be entered when the authority is set up
 * again.
 */
function pluginFor(
  run: Run,
  { report }: Step,
  { id, name, pluginName, options }: LemurAuthority,
): StoredPlugin & { usable: boolean } {
  const slug = pluginName ?? '';
  const bare = { pluginId: slug || 'unknown', options: {}, sealedOptions: null, secretId: randomUUID(), usable: false };
  const configured = run.parts.get(ConfiguredPlugins);
  try {
    const plugin = configured.plugin('issuer', slug);
    return { ...configured.seal(plugin, { slug, pluginOptions: [] }, 'authority'), usable: true };
  } catch (error) {
    report.note({
      kind: 'left',
      table,
      id,
      name,
      text: `It is inactive until its issuer is set up: ${explainFault(error)}`,
      facts: { plugin: slug, options: shown(options) },
    });
    return bare;
  }
}

const pemOf = ({ der }: ParsedCertificate): string => toPem('CERTIFICATE', der);

async function takeKey(run: Run, { tx, report }: Step, { row, ca, leaf }: Found): Promise<Authority['keyId']> {
  const { key, fault } = openKey(run.parts.fernet, ca?.privateKey ?? null, leaf);
  if (fault !== null)
    report.note({ kind: 'fault', table, id: row.id, name: row.name, text: `The key of the CA is lost: ${fault}` });
  return key && run.parts.get(KeyStore).adopt(tx, key);
}

/** Lemur creates CA certificates without basicConstraints unless asked otherwise. */
function canSign({ report }: Step, { row, leaf }: Found): boolean {
  if (leaf.isCa && (leaf.keyUsage.length === 0 || leaf.keyUsage.includes('keyCertSign'))) return true;
  report.note({
    kind: 'left',
    table,
    id: row.id,
    name: row.name,
    text: 'It is inactive: its certificate is not a CA certificate, so no client would accept what it issues.',
  });
  return false;
}

function flagsOf({ options }: LemurAuthority): Pick<Authority, 'isCabCompliant' | 'isCnOptional'> {
  const value = (name: string): unknown => optionsIn(options).find((option) => option.name === name)?.value;
  const compliant = value('cab_compliant');
  return {
    isCabCompliant: typeof compliant === 'boolean' ? compliant : null,
    isCnOptional: value('cn_optional') === true,
  };
}

async function rolesHere(run: Run, tx: Tx, legacyIds: readonly number[]): Promise<number[]> {
  return [...new Set((await run.legacy.ids(tx, 'role', legacyIds)).values())];
}

/** Sorts a CA after the CA that signed it, so that it finds its parent. */
async function parentsFirst(found: readonly Found[]): Promise<Found[]> {
  const ordered: Found[] = [];
  let left = [...found];
  while (left.length > 0) {
    const free: Found[] = [];
    for (const one of left) if (isSelfIssued(one.leaf) || !(await isBelowAny(one, left))) free.push(one);
    const next = free.length > 0 ? free : left;
    ordered.push(...next);
    left = left.filter((one) => !next.includes(one));
  }
  return ordered;
}

async function isBelowAny({ leaf }: Found, others: readonly Found[]): Promise<boolean> {
  const signed = await Promise.all(
    others
      .filter((other) => !other.leaf.der.equals(leaf.der))
      .map((other) => isSignedBy(leaf, other.leaf).catch(() => false)),
  );
  return signed.includes(true);
}
