import { randomUUID } from 'node:crypto';
import type { Exchange, Reply } from './stand-in.js';

/** What serves certificates in the stand-in for AWS. */
export interface AwsServing {
  /** Application and network load balancers; `isHidden`: nobody may read its listeners. */
  balancers: {
    arn: string;
    name: string;
    listeners: { arn: string; port: number; protocol: string }[];
    isHidden?: true;
  }[];
  /** `isStuck`: it takes a change, and goes on with what it has. */
  classic: { name: string; port: number; certificateArn: string; policy: string; isStuck?: true }[];
  /** `version` is counted by changes; `arrivingFor`: so many reads see the last change under way. */
  distributions: {
    id: string;
    certificateArn?: string;
    iamId?: string;
    aliases: string[];
    version?: number;
    arrivingFor?: number;
  }[];
  serverCertificates: { name: string; id: string; arn: string; body: string; chain: string }[];
}

/** What serves the certificate with this ARN, besides listeners of ELB version 2. */
export function servedBy(arn: string, { classic, distributions, serverCertificates }: AwsServing): string[] {
  const id = serverCertificates.find((one) => one.arn === arn)?.id;
  return [
    ...classic.filter(({ certificateArn }) => certificateArn === arn).map(({ name }) => name),
    ...distributions
      .filter(({ certificateArn, iamId }) => certificateArn === arn || (id !== undefined && iamId === id))
      .map((one) => one.id),
  ];
}

const policies: Readonly<Record<string, string[][]>> = {
  'ELBSecurityPolicy-TLS13-1-2': [
    ['TLSv1.2', 'TLSv1.3'],
    ['TLS_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ],
};

/** The Query API of both versions of ELB (2015-12-01, 2012-06-01), as far as it lists; undefined for other actions. */
export function balancerAnswer(query: Record<string, string>, state: AwsServing): Reply | undefined {
  const { Action: action = '', Version: version } = query;
  const page = <T>(all: readonly T[], list: string, member: (one: T) => string): Reply => {
    // Pages of one: a marker leads to the next.
    const at = Number(query['Marker'] ?? 0);
    const next = at + 1 < all.length ? `<NextMarker>${at + 1}</NextMarker>` : '';
    const content = all.slice(at, at + 1).map((one) => `<member>${member(one)}</member>`);
    return answered(action, `<${list}>${content.join('')}</${list}>${next}`);
  };
  if (version === '2012-06-01') return classicAnswer(query, state, page);
  if (action === 'DescribeLoadBalancers')
    return page(
      state.balancers,
      'LoadBalancers',
      ({ arn, name }) =>
        `<LoadBalancerArn>${arn}</LoadBalancerArn><AvailabilityZones><member><ZoneName>a</ZoneName></member>` +
        `<member><ZoneName>b</ZoneName></member></AvailabilityZones><SecurityGroups/><LoadBalancerName>${name}` +
        `</LoadBalancerName><DNSName>${name}.elb.amazonaws.com</DNSName><Type>application</Type>`,
    );
  if (action === 'DescribeListeners') {
    const balancer = state.balancers.find(({ arn }) => arn === query['LoadBalancerArn']);
    if (!balancer || balancer.isHidden) return denied(action);
    return page(
      balancer.listeners,
      'Listeners',
      ({ arn, port, protocol }) =>
        `<ListenerArn>${arn}</ListenerArn><Port>${port}</Port><Protocol>${protocol}</Protocol>` +
        (protocol === 'HTTP' ? '' : '<SslPolicy>ELBSecurityPolicy-TLS13-1-2</SslPolicy>') +
        '<DefaultActions><member><Type>forward</Type></member></DefaultActions>',
    );
  }
  if (action !== 'DescribeSSLPolicies') return undefined;
  const name = query['Names.member.1'] ?? '';
  const [versions = [], ciphers = []] = policies[name] ?? [];
  const members = versions.map((one) => `<member>${one}</member>`).join('');
  const suites = ciphers
    .map((one, at) => `<member><Name>${one}</Name><Priority>${at + 1}</Priority></member>`)
    .join('');
  const content = `<SslProtocols>${members}</SslProtocols><Ciphers>${suites}</Ciphers><Name>${name}</Name>`;
  return answered(action, `<SslPolicies><member>${content}</member></SslPolicies>`);
}

type Page = <T>(all: readonly T[], list: string, member: (one: T) => string) => Reply;

function classicAnswer(query: Record<string, string>, state: AwsServing, page: Page): Reply {
  const { Action: action = '' } = query;
  const { classic } = state;
  const name = query['LoadBalancerNames.member.1'];
  const named = classic.filter((one) => name === undefined || one.name === name);
  if (action === 'SetLoadBalancerListenerSSLCertificate') return classicChange(query, state);
  if (action === 'DescribeLoadBalancers' && name !== undefined && named.length === 0)
    return failed(400, 'LoadBalancerNotFound', `There is no ACTIVE Load Balancer named '${name}'`);
  if (action === 'DescribeLoadBalancers')
    return page(
      named,
      'LoadBalancerDescriptions',
      ({ name, port, certificateArn, policy }) =>
        `<LoadBalancerName>${name}</LoadBalancerName><DNSName>${name}.elb.amazonaws.com</DNSName>` +
        '<ListenerDescriptions><member><PolicyNames/><Listener><Protocol>HTTP</Protocol>' +
        '<LoadBalancerPort>80</LoadBalancerPort></Listener></member><member>' +
        `<PolicyNames><member>${policy}</member></PolicyNames><Listener><Protocol>HTTPS</Protocol>` +
        `<LoadBalancerPort>${port}</LoadBalancerPort>` +
        `<SSLCertificateId>${certificateArn}</SSLCertificateId></Listener>` +
        '</member></ListenerDescriptions>',
    );
  const isThere = classic.some(
    ({ name, policy }) => name === query['LoadBalancerName'] && policy === query['PolicyNames.member.1'],
  );
  if (action !== 'DescribeLoadBalancerPolicies' || !isThere) return denied(action);
  const attributes = [
    'Protocol-TLSv1 true',
    'Protocol-TLSv1.2 true',
    'Protocol-SSLv3 false',
    'Server-Defined-Cipher-Order true',
    'RC4-MD5 true',
  ];
  const members = attributes.map((one) => {
    const [name, value] = one.split(' ');
    return `<member><AttributeName>${name}</AttributeName><AttributeValue>${value}</AttributeValue></member>`;
  });
  const content = `<PolicyAttributeDescriptions>${members.join('')}</PolicyAttributeDescriptions>`;
  return answered(action, `<PolicyDescriptions><member>${content}</member></PolicyDescriptions>`);
}

function classicChange(query: Record<string, string>, { classic, serverCertificates }: AwsServing): Reply {
  const { Action: action = '', LoadBalancerName: name, LoadBalancerPort: port, SSLCertificateId: arn = '' } = query;
  const balancer = classic.find((one) => one.name === name);
  if (!balancer) return failed(400, 'LoadBalancerNotFound', `There is no ACTIVE Load Balancer named '${name}'`);
  if (balancer.port !== Number(port)) return failed(400, 'ListenerNotFound', `No listener at ${port}`);
  if (arn.includes(':server-certificate/') && !serverCertificates.some((one) => one.arn === arn))
    return failed(400, 'CertificateNotFound', `Server Certificate not found for the key: ${arn}`);
  if (!balancer.isStuck) balancer.certificateArn = arn;
  return answered(action, '');
}

/** A configuration as CloudFront sends it, shortened where it has many members of one kind. */
function configOf({ id, aliases, certificateArn, iamId }: AwsServing['distributions'][number]): string {
  const names = aliases.map((name) => `<CNAME>${name}</CNAME>`).join('');
  const own = iamId ?? certificateArn;
  const certificate =
    iamId === undefined
      ? `<ACMCertificateArn>${certificateArn}</ACMCertificateArn>`
      : `<IAMCertificateId>${iamId}</IAMCertificateId>`;
  const viewer =
    own === undefined
      ? '<CloudFrontDefaultCertificate>true</CloudFrontDefaultCertificate><SSLSupportMethod>vip</SSLSupportMethod>' +
        '<MinimumProtocolVersion>TLSv1</MinimumProtocolVersion><CertificateSource>cloudfront</CertificateSource>'
      : `<CloudFrontDefaultCertificate>false</CloudFrontDefaultCertificate>${certificate}` +
        '<SSLSupportMethod>vip</SSLSupportMethod><MinimumProtocolVersion>TLSv1.2_2019</MinimumProtocolVersion>' +
        `<Certificate>${own}</Certificate>` +
        `<CertificateSource>${iamId === undefined ? 'acm' : 'iam'}</CertificateSource>`;
  return (
    '<DistributionConfig xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">' +
    `<CallerReference>made-${id}</CallerReference><Aliases><Quantity>${aliases.length}</Quantity><Items>${names}` +
    '</Items></Aliases><DefaultRootObject>index.html</DefaultRootObject>' +
    '<Origins><Quantity>1</Quantity><Items><Origin><Id>o</Id>' +
    '<DomainName>origin.example.com</DomainName><OriginPath/></Origin></Items></Origins>' +
    '<Comment>a &amp; b $&amp;</Comment><PriceClass>PriceClass_All</PriceClass><Enabled>true</Enabled>' +
    `<ViewerCertificate>${viewer}</ViewerCertificate><HttpVersion>http2</HttpVersion></DistributionConfig>`
  );
}

/** CloudFront 2020-05-31: one distribution, its configuration, and a change of the certificate alone. */
function oneDistribution({ method, path, headers, text }: Exchange, state: AwsServing): Reply {
  const [, id, part] = /^\/2020-05-31\/distribution\/(\w+)(\/config)?$/.exec(path) ?? [];
  const found = state.distributions.find((one) => one.id === id);
  if (!found) return failed(404, 'NoSuchDistribution', 'The specified distribution does not exist.');
  const etag = `E${found.version ?? 1}`;
  const config = configOf(found);
  if (method === 'GET' && part !== undefined) return { status: 200, body: config, headers: { etag } };
  if (method === 'GET') {
    const isArriving = (found.arrivingFor ?? 0) > 0;
    if (isArriving) found.arrivingFor = (found.arrivingFor ?? 0) - 1;
    const status = `<Id>${id}</Id><Status>${isArriving ? 'InProgress' : 'Deployed'}</Status>`;
    return { status: 200, body: `<Distribution>${status}${config}</Distribution>`, headers: { etag } };
  }
  const version = headers['if-match'];
  if (method !== 'PUT' || part === undefined) return failed(405, 'MethodNotAllowed', method);
  if (version === undefined)
    return failed(400, 'InvalidIfMatchVersion', 'The If-Match version is missing or not valid for the resource.');
  if (version !== etag)
    return failed(412, 'PreconditionFailed', 'The request failed because it did not meet the preconditions.');
  return distributionChange(found, { before: config, after: text }, state);
}

function distributionChange(
  found: AwsServing['distributions'][number],
  { before, after }: { before: string; after: string },
  { serverCertificates }: AwsServing,
): Reply {
  const viewer = /<ViewerCertificate>.*<\/ViewerCertificate>/s;
  const rest = (config: string): string => config.replace(viewer, '');
  if (rest(after) !== rest(before)) return failed(400, 'InvalidArgument', 'Something else was changed.');
  const [given = ''] = viewer.exec(after) ?? [];
  const [, arn] = /<ACMCertificateArn>(.*)<\/ACMCertificateArn>/.exec(given) ?? [];
  const [, iamId] = /<IAMCertificateId>(.*)<\/IAMCertificateId>/.exec(given) ?? [];
  const inIam = serverCertificates.find(({ id }) => id === iamId);
  const isGood = iamId === undefined ? arn?.includes(':us-east-1:') : inIam?.arn.includes('/cloudfront/');
  if (!isGood || (arn === undefined) === (iamId === undefined) || /<Certificate>|CertificateSource/.test(given))
    return failed(400, 'InvalidViewerCertificate', "The specified SSL certificate doesn't exist.");
  const kept = before.includes('>cloudfront</') ? ['sni-only', 'TLSv1.2_2021'] : ['vip', 'TLSv1.2_2019'];
  const [method, policy] = ['SSLSupportMethod', 'MinimumProtocolVersion'].map(
    (name) => new RegExp(`<${name}>(.*)</${name}>`).exec(given)?.[1],
  );
  if (method !== kept[0] || policy !== kept[1])
    return failed(400, 'InvalidArgument', `How TLS is spoken was changed to ${method}, ${policy}.`);
  delete found.certificateArn;
  delete found.iamId;
  Object.assign(found, iamId === undefined ? { certificateArn: arn } : { iamId });
  found.version = (found.version ?? 1) + 1;
  return { status: 200, body: `<Distribution><Status>InProgress</Status>${after}</Distribution>` };
}

/** CloudFront 2020-05-31; lists have pages of one. */
export function distributionAnswer(exchange: Exchange, state: AwsServing): Reply {
  const { method, path, query } = exchange;
  const { distributions } = state;
  if (path.startsWith('/2020-05-31/distribution/')) return oneDistribution(exchange, state);
  if (method !== 'GET' || path !== '/2020-05-31/distribution') return { status: 404, body: '' };
  const at = Number(query.get('Marker') ?? 0);
  const summaries = distributions.slice(at, at + 1).map(({ id, certificateArn, iamId, aliases }) => {
    const names = aliases.map((name) => `<CNAME>${name}</CNAME>`).join('');
    const certificate =
      (certificateArn === undefined ? '' : `<ACMCertificateArn>${certificateArn}</ACMCertificateArn>`) +
      (iamId === undefined ? '' : `<IAMCertificateId>${iamId}</IAMCertificateId>`);
    return (
      `<DistributionSummary><Id>${id}</Id><ARN>arn:aws:cloudfront::123456789012:distribution/${id}</ARN>` +
      `<DomainName>${id.toLowerCase()}.cloudfront.net</DomainName><Aliases><Quantity>${aliases.length}</Quantity>` +
      `<Items>${names}</Items></Aliases><Origins><Items><Origin><Id>o</Id><DomainName>origin</DomainName></Origin>` +
      '</Items></Origins><ViewerCertificate><CloudFrontDefaultCertificate>false</CloudFrontDefaultCertificate>' +
      `${certificate}<MinimumProtocolVersion>TLSv1.2_2021</MinimumProtocolVersion></ViewerCertificate>` +
      '</DistributionSummary>'
    );
  });
  const isTruncated = at + 1 < distributions.length;
  return {
    status: 200,
    body:
      `<?xml version="1.0"?><DistributionList xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">` +
      `<Marker/>${isTruncated ? `<NextMarker>${at + 1}</NextMarker>` : ''}<IsTruncated>${isTruncated}</IsTruncated>` +
      `<Items>${summaries.join('')}</Items></DistributionList>`,
  };
}

/** The server certificates of IAM. Signature and rules of names and material are what `iam-server.ts` checks. */
export function serverCertificateAnswer(query: Record<string, string>, state: AwsServing): Reply {
  const { Action: action = '', ServerCertificateName: wanted = '', Path: path = '/' } = query;
  const { serverCertificates } = state;
  const metadata = ({ name, id, arn }: AwsServing['serverCertificates'][number]): string =>
    `<ServerCertificateMetadata><ServerCertificateName>${name}</ServerCertificateName>` +
    `<ServerCertificateId>${id}</ServerCertificateId><Arn>${arn}</Arn><Path>/</Path></ServerCertificateMetadata>`;
  if (action === 'ListServerCertificates') {
    const bare = (one: AwsServing['serverCertificates'][number]): string =>
      metadata(one).replaceAll('ServerCertificateMetadata>', 'member>');
    const list = serverCertificates.map(bare).join('');
    const content = `<ServerCertificateMetadataList>${list}</ServerCertificateMetadataList>`;
    return answered(action, `<IsTruncated>false</IsTruncated>${content}`);
  }
  const held = serverCertificates.find(({ name }) => name === wanted);
  if (action === 'UploadServerCertificate') {
    if (held) return failed(409, 'EntityAlreadyExists', `The Server Certificate with name ${wanted} already exists.`);
    const { CertificateBody: body = '', CertificateChain: chain = '' } = query;
    const arn = `arn:aws:iam::123456789012:server-certificate${path}${wanted}`;
    const uploaded = { name: wanted, id: `ASCA${randomUUID().slice(0, 8).toUpperCase()}`, arn, body, chain };
    serverCertificates.push(uploaded);
    return answered(action, metadata(uploaded));
  }
  if (!held) return failed(404, 'NoSuchEntity', `The Server Certificate with name ${wanted} cannot be found.`);
  if (action === 'DeleteServerCertificate') {
    const users = servedBy(held.arn, state);
    if (users.length > 0) return failed(409, 'DeleteConflict', `Certificate is currently in use by ${users.join()}.`);
    serverCertificates.splice(serverCertificates.indexOf(held), 1);
    return answered(action, '');
  }
  if (action !== 'GetServerCertificate') return denied(action);
  const content =
    `${metadata(held)}<CertificateBody>${held.body}</CertificateBody>` +
    `<CertificateChain>${held.chain}</CertificateChain>`;
  return answered(action, `<ServerCertificate>${content}</ServerCertificate>`);
}

function answered(action: string, content: string): Reply {
  return {
    status: 200,
    body: `<${action}Response><${action}Result>${content}</${action}Result></${action}Response>`,
    headers: { 'content-type': 'text/xml' },
  };
}

function denied(action: string): Reply {
  return failed(403, 'AccessDenied', `You are not authorized to perform: ${action}`);
}

function failed(status: number, code: string, message: string): Reply {
  return {
    status,
    body: `<ErrorResponse><Error><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
    headers: { 'content-type': 'text/xml' },
  };
}
