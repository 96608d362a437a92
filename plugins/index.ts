import type { AnyPlugin } from '../src/plugin-api/any-plugin.js';
import { acmeDns } from './acme-dns/acme-dns.dns.js';
import { acme } from './acme/acme.issuer.js';
import { awsAcm } from './aws/aws-acm.destination.js';
import { awsS3 } from './aws/aws-s3.destination.js';
import { awsSecretsManager } from './aws/aws-secrets-manager.destination.js';
import { awsSns } from './aws/aws-sns.notification.js';
import { route53 } from './aws/route53.dns.js';
import { awsEndpoints } from './aws/aws-endpoints.source.js';
import { awsIam } from './aws/aws-iam.destination.js';
import { awsIamSource } from './aws/aws-iam.source.js';
import { azureDns } from './azure/azure-dns.dns.js';
import { azureKeyVault } from './azure/azure-key-vault.destination.js';
import { cfssl } from './cfssl/cfssl.issuer.js';
import { cloudflare } from './cloudflare/cloudflare.dns.js';
import { ctSearch } from './ct/ct-search.source.js';
import { discord } from './discord/discord.notification.js';
import { djangoCa } from './django-ca/django-ca.issuer.js';
import { dnsWebhook } from './dns-webhook/dns-webhook.dns.js';
import { dogtag } from './dogtag/dogtag.issuer.js';
import { email } from './email/email.notification.js';
import { f5BigIp } from './f5/f5-big-ip.destination.js';
import { fastpki } from './fastpki/fastpki.issuer.js';
import { filesystem } from './filesystem/filesystem.destination.js';
import { filesystemSource } from './filesystem/filesystem.source.js';
import { googleCertificateManager } from './google-cloud/google-certificate-manager.destination.js';
import { googleCloudStorage } from './google-cloud/google-cloud-storage.destination.js';
import { googleCloudDns } from './google-cloud/google-cloud-dns.dns.js';
import { haproxy } from './haproxy/haproxy.destination.js';
import { javaKeystoreExport } from './jks/java-keystore.export.js';
import { javaTruststoreExport } from './jks/java-truststore.export.js';
import { kubernetes } from './kubernetes/kubernetes.destination.js';
import { kubernetesSource } from './kubernetes/kubernetes.source.js';
import { localCa } from './local-ca/local-ca.issuer.js';
import { ntfy } from './ntfy/ntfy.notification.js';
import { opsgenie } from './opsgenie/opsgenie.notification.js';
import { pagerduty } from './pagerduty/pagerduty.notification.js';
import { pemBundleExport } from './pem/pem-bundle.export.js';
import { pemFilesExport } from './pem/pem-files.export.js';
import { pemExport } from './pem/pem.export.js';
import { pkcs12TruststoreExport } from './pkcs12/pkcs12-truststore.export.js';
import { pkcs12Export } from './pkcs12/pkcs12.export.js';
import { rfc2136 } from './rfc2136/rfc2136.dns.js';
import { sectigo } from './sectigo/sectigo.issuer.js';
import { sftp } from './sftp/sftp.destination.js';
import { slack } from './slack/slack.notification.js';
import { teams } from './teams/teams.notification.js';
import { telegram } from './telegram/telegram.notification.js';
import { tlsEndpoints } from './tls-endpoints/tls-endpoints.source.js';
import { vaultKv } from './vault/vault-kv.destination.js';
import { vaultKvSource } from './vault/vault-kv.source.js';
import { vaultPki } from './vault/vault-pki.issuer.js';
import { webhookDestination } from './webhook/webhook.destination.js';
import { webhookTemplate } from './webhook/webhook-template.notification.js';
import { webhook } from './webhook/webhook.notification.js';

/** Every plugin of the program, ordered by id. */
export const plugins: readonly AnyPlugin[] = [
  acme,
  acmeDns,
  awsAcm,
  awsEndpoints,
  awsIam,
  awsIamSource,
  awsS3,
  awsSecretsManager,
  awsSns,
  azureDns,
  azureKeyVault,
  cfssl,
  cloudflare,
  ctSearch,
  discord,
  djangoCa,
  dnsWebhook,
  dogtag,
  email,
  f5BigIp,
  fastpki,
  filesystem,
  filesystemSource,
  googleCertificateManager,
  googleCloudDns,
  googleCloudStorage,
  haproxy,
  javaKeystoreExport,
  javaTruststoreExport,
  kubernetes,
  kubernetesSource,
  localCa,
  ntfy,
  opsgenie,
  pagerduty,
  pemExport,
  pemBundleExport,
  pemFilesExport,
  pkcs12Export,
  pkcs12TruststoreExport,
  rfc2136,
  route53,
  sectigo,
  sftp,
  slack,
  teams,
  telegram,
  tlsEndpoints,
  vaultKv,
  vaultKvSource,
  vaultPki,
  webhook,
  webhookDestination,
  webhookTemplate,
];
