/** A plugin of ours in place of one of Lemur's that has other options. `notes` say what is not the same. */
export interface Counterpart {
  slug: string;
  options: { name: string; value: unknown }[];
  notes: readonly string[];
}

/** The value of an option as text; empty when it has none. */
type TextOf = (name: string) => string;

/** By Lemur's slug: the counterpart for its options, or why there is none, with what a person can do. */
const counterparts: Readonly<Record<string, (textOf: TextOf) => Counterpart | string>> = {
  'kubernetes-destination': kubernetesFor,
  'hashi-vault-destination': () =>
    'Lemur keeps an object for each certificate in one secret, and vault-kv the fields of one certificate in each: ' +
    'make a vault-kv destination, and let what reads the secret read these fields.',
  'gcs-destination': () =>
    'Lemur signs in as its machine does, and google-cloud-storage with the key of a service account; it names its ' +
    'objects by the files of its export: make one by hand.',
};

/** Null for a plugin whose options, as far as they go, are ours. */
export function counterpartOf(slug: string, textOf: TextOf): Counterpart | string | null {
  return Object.hasOwn(counterparts, slug) ? (counterparts[slug]?.(textOf) ?? null) : null;
}

/** A file that is named was on Lemur's machine: its content is for the operator of this one to give. */
function kubernetesFor(textOf: TextOf): Counterpart | string {
  // Versions before there was a choice wrote the full one.
  const format = textOf('secretFormat') || 'Full';
  if (format !== 'TLS')
    return `Its secrets have the format ${format}, and those of the plugin kubernetes are TLS secrets: make one by hand.`;
  const namespace = textOf('kubernetesNamespace');
  if (namespace === '') return 'Its namespace stands in a file of the machine that Lemur runs on: make one by hand.';
  const url = textOf('kubernetesURL') || 'https://kubernetes.default';
  const [token, ca] = [textOf('kubernetesAuthToken'), textOf('kubernetesServerCertificate')];
  const values = {
    url,
    namespace,
    token,
    caCertificates: ca,
    name: (textOf('secretNameFormat') || '{common_name}').replaceAll('{common_name}', '{commonName}'),
    // Lemur wrote the fields that are there.
    overwrite: true,
  };
  const inFiles = [...(token === '' ? ['token'] : []), ...(ca === '' ? ['CA certificates'] : [])].join(' and ');
  return {
    slug: 'kubernetes',
    options: Object.entries(values).map(([name, value]) => ({ name, value })),
    notes: inFiles === '' ? [] : [`Its ${inFiles} stood in files: name them in SERVICE_FILES for ${url}, or set them.`],
  };
}
