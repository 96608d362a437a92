import { z } from 'zod';
import {
  type CaOrganizations,
  type CaPerson,
  type CaPersons,
  type CaProfiles,
  type NewCaPerson,
  partOfAll,
} from '../../src/plugin-api/ca-administration.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { profilesOf } from './profile.js';
import { SectigoClient } from './sectigo.client.js';
import type { options } from './sectigo.options.js';

const text = z.string().nullish();
const Person = z.object({
  id: z.int(),
  firstName: text,
  middleName: text,
  lastName: text,
  email: text,
  organizationId: z.int().nullish(),
  validationType: text,
  phone: text,
  secondaryEmails: z.array(z.string()).nullish(),
  commonName: text,
  eppn: text,
  upn: text,
});

export const profiles: CaProfiles<typeof options> = {
  async list(request, o, ctx) {
    const all = await profilesOf(new SectigoClient(o, ctx), o);
    const labels = all.map(({ id, name, description }) => ({
      id: String(id),
      name,
      ...(description && { description }),
    }));
    return partOfAll(labels, request);
  },
};

export const organizations: CaOrganizations<typeof options> = {
  async list(o, ctx) {
    const all = await new SectigoClient(o, ctx).organizations();
    return all.map(({ id, name, parentId }) => ({
      id: String(id),
      name,
      ...(parentId !== undefined && { parentId: String(parentId) }),
    }));
  },
};

export const persons: CaPersons<typeof options> = {
  async list({ after = '0', count, email, name, organizationId }, o, ctx) {
    const position = Number(after);
    const query = { email, name, organizationId, size: count, position };
    const found = await new SectigoClient(o, ctx).json(z.array(Person), { path: '/person/v2', query });
    const items = found.map(personOf);
    return items.length < count ? { items } : { items, next: String(position + count) };
  },

  async create(person, o, ctx) {
    const { headers } = await new SectigoClient(o, ctx).send({ path: '/person/v2', json: bodyOf(person) });
    const id = /\/(\d+)\/?$/.exec(headers.location ?? '')?.[1];
    if (id === undefined) throw new PluginError('unavailable', 'Sectigo has not said which id the person has.');
    return { id };
  },
};

/** What is null or empty at Sectigo is absent. */
function personOf({ id, organizationId, validationType, secondaryEmails, ...rest }: z.output<typeof Person>): CaPerson {
  const known = Object.fromEntries(Object.entries(rest).filter(([, value]) => value));
  const validation = validationType?.toLowerCase();
  return {
    id: String(id),
    ...known,
    ...(typeof organizationId === 'number' && { organizationId: String(organizationId) }),
    ...(secondaryEmails && { secondaryEmails }),
    ...((validation === 'standard' || validation === 'high') && { validation }),
  };
}

function bodyOf(person: NewCaPerson): object {
  const { organizationId, validation, email, firstName, middleName, lastName } = person;
  const { commonName, phone, secondaryEmails, eppn, upn } = person;
  if (!/^\d{1,15}$/.test(organizationId))
    throw new PluginError('refused', `Sectigo knows organizations by numbers, not ${organizationId}.`);
  return {
    ...{ email, firstName, middleName, lastName, commonName, phone, secondaryEmails, eppn, upn },
    organizationId: Number(organizationId),
    ...(validation && { validationType: validation.toUpperCase() }),
  };
}
