import { encodeSubject } from '../pki/names.js';
import { rebuildName } from '../pki/requested-name.js';
import type { SubjectFields } from '../plugin-api/terms.js';
import { blame } from '../platform/http/blame.js';

/** Throws Problem `invalid-request` that names the first member which cannot stand in a DN. */
export function demandSubject(subject: SubjectFields): void {
  for (const [field, value] of Object.entries<string>(subject as Record<string, string>))
    blame(field, () => rebuildName(encodeSubject({ [field]: value })));
}
