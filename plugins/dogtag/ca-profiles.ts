import type {
  CaField,
  CaForm,
  CaPolicy,
  CaProfile,
  CaProfileLabel,
  CaRule,
  Part,
  PartRequest,
} from '../../src/plugin-api/ca-administration.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { CertificateTerms } from '../../src/plugin-api/terms.js';
import type { DogtagSession } from './dogtag.client.js';
import { listOf, objectOf, pairsOf, textOf, truthOf, type Wire } from './wire.js';

const profileId = /^[A-Za-z0-9_.-]{1,128}$/;
const subjectAltName = '2.5.29.17';

export async function listProfiles(
  session: DogtagSession,
  { after = '0', count }: PartRequest,
): Promise<Part<CaProfileLabel>> {
  const start = /^\d{1,9}$/.test(after) ? Number(after) : 0;
  const wire = await session.get('profiles', { query: { start, size: count } });
  const [items, total] = [listOf(wire, 'entries').map(labelOf), textOf(wire, 'total')];
  const isLast = total === undefined ? items.length < count : start + items.length >= Number(total);
  return {
    items,
    ...(!isLast && items.length > 0 && { next: String(start + items.length) }),
    ...(total !== undefined && { total: Number(total) }),
  };
}

/** Null: there is none with this id. */
export async function findProfile(session: DogtagSession, id: string): Promise<CaProfile | null> {
  if (!profileId.test(id)) return null;
  const reply = await session.ask(`profiles/${id}`);
  if (reply.ok) return profileOf(reply.wire);
  await session.demandMissing(reply);
  return null;
}

/** Idempotent. */
export async function switchProfile(session: DogtagSession, id: string, action: 'enable' | 'disable'): Promise<void> {
  const unknown = new PluginError('refused', 'The CA has no such profile.');
  if (!profileId.test(id)) throw unknown;
  const reply = await session.ask(`profiles/${id}`, { method: 'POST', query: { action } });
  if (reply.ok || reply.status === 409) return;
  await session.demandMissing(reply);
  throw unknown;
}

function labelOf(wire: Wire): CaProfileLabel {
  const [visible, enabled] = [truthOf(wire, 'profileVisible'), truthOf(wire, 'profileEnable')];
  const description = textOf(wire, 'profileDescription');
  return {
    id: textOf(wire, 'profileId') ?? '',
    name: textOf(wire, 'profileName') ?? '',
    ...(description !== undefined && { description }),
    ...(visible !== undefined && { visible }),
    ...(enabled !== undefined && { enabled }),
  };
}

function profileOf(wire: Wire): CaProfile {
  const [description, visible] = [textOf(wire, 'description'), truthOf(wire, 'visible')];
  return {
    id: textOf(wire, 'id') ?? '',
    name: textOf(wire, 'name') ?? '',
    ...(description !== undefined && { description }),
    ...(visible !== undefined && { visible }),
    enabled: truthOf(wire, 'enabled') ?? false,
    needsApproval: textOf(wire, 'authenticatorId') === undefined,
    inputs: listOf(wire, 'Input', 'input').map(formOf),
    outputs: listOf(wire, 'Output', 'output').map(formOf),
    policySets: listOf(objectOf(wire, 'PolicySets', 'policySets'), 'PolicySet', 'policySet').map((set) => {
      const id = textOf(set, 'id');
      return { ...(id !== undefined && { id }), policies: listOf(set, 'value').map(policyOf) };
    }),
  };
}

function formOf(wire: Wire): CaForm {
  const [id, className] = [textOf(wire, 'id'), textOf(wire, 'ClassID', 'classId')];
  return {
    ...(id !== undefined && { id }),
    name: textOf(wire, 'Name', 'name') ?? '',
    ...(className !== undefined && { className }),
    fields: listOf(wire, 'Attribute', 'attributes', 'Attributes').map(fieldOf),
  };
}

function fieldOf(wire: Wire): CaField {
  const descriptor = objectOf(wire, 'Descriptor', 'descriptor');
  const description = textOf(descriptor, 'Description');
  const [syntax, defaultValue] = [textOf(descriptor, 'Syntax'), textOf(descriptor, 'DefaultValue')];
  return {
    name: textOf(wire, 'name') ?? '',
    ...(description !== undefined && { description }),
    ...(syntax !== undefined && { syntax }),
    ...(defaultValue !== undefined && { defaultValue }),
  };
}

function policyOf(wire: Wire): CaPolicy {
  const [sets, demands] = [objectOf(wire, 'def'), objectOf(wire, 'constraint')];
  return {
    id: textOf(wire, 'id') ?? textOf(sets, 'id') ?? '',
    sets: ruleOf(sets, 'params'),
    demands: ruleOf(demands, 'constraint'),
  };
}

function ruleOf(wire: Wire | undefined, parameters: string): CaRule {
  const [description, className] = [textOf(wire, 'description'), textOf(wire, 'classId')];
  return {
    ...(description !== undefined && { description }),
    ...(className !== undefined && { className }),
    parameters: pairsOf(listOf(wire, parameters)),
  };
}

/**
 * Why certificates of this profile would lack names that are asked for, in words; null when they would not, or when
 * that cannot be told. The profiles that come with Dogtag drop the subjectAltName of the CSR.
 */
export function lostNames(
  { id, policySets }: CaProfile,
  { subject, subjectAltNames }: Pick<CertificateTerms, 'subject' | 'subjectAltNames'>,
): string | null {
  const policies = policySets.flatMap((set) => set.policies);
  const copies = policies.some(({ sets: { className, parameters } }) =>
    className === 'commonNameToSANDefaultImpl'
      ? false
      : className === 'subjectAltNameExtDefaultImpl' || Object.values(parameters).includes(subjectAltName),
  );
  if (copies) return null;
  const fromName = policies.find(({ sets }) => sets.className === 'commonNameToSANDefaultImpl');
  const kept = fromName ? subject.commonName?.toLowerCase() : undefined;
  const lost = subjectAltNames.filter(({ type, value }) => type !== 'dns' || value.toLowerCase() !== kept);
  if (lost.length === 0) return null;
  const why = fromName
    ? `its policy ${fromName.id} (commonNameToSANDefaultImpl) writes the common name as the only one`
    : 'none of its policies writes them';
  return (
    `The profile ${id} leaves out subject alternative names: ${why}, so ` +
    `${lost
      .slice(0, 5)
      .map(({ value }) => value)
      .join(', ')} would be missing. ` +
    `Use a profile with the policy userExtensionDefaultImpl for ${subjectAltName}.`
  );
}
