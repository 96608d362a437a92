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
  classic: { name: string; port: number; certificateArn: string; policy: string }[];
  distributions: { id: string; certificateArn?: string; iamId?: string; aliases: string[] }[];
  serverCertificates: { name: string; id: string; arn: string; body: string; chain: string }[];
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
  if (version === '2012-06-01') return classicAnswer(action, query, state, page);
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

function classicAnswer(action: string, query: Record<string, string>, { classic }: AwsServing, page: Page): Reply {
  if (action === 'DescribeLoadBalancers')
    return page(
      classic,
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

/** CloudFront 2020-05-31: pages of one. */
export function distributionAnswer({ method, path, query }: Exchange, { distributions }: AwsServing): Reply {
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

/** The server certificates of IAM, which can be read alone. */
export function serverCertificateAnswer(query: Record<string, string>, { serverCertificates }: AwsServing): Reply {
  const { Action: action = '' } = query;
  const metadata = ({ name, id, arn }: AwsServing['serverCertificates'][number]): string =>
    `<ServerCertificateName>${name}</ServerCertificateName><ServerCertificateId>${id}</ServerCertificateId>` +
    `<Arn>${arn}</Arn><Path>/</Path>`;
  if (action === 'ListServerCertificates') {
    const members = serverCertificates.map((one) => `<member>${metadata(one)}</member>`).join('');
    const list = `<ServerCertificateMetadataList>${members}</ServerCertificateMetadataList>`;
    return answered(action, `<IsTruncated>false</IsTruncated>${list}`);
  }
  const held = serverCertificates.find(({ name }) => name === query['ServerCertificateName']);
  if (action !== 'GetServerCertificate' || !held) return denied(action);
  const content =
    `<ServerCertificateMetadata>${metadata(held)}</ServerCertificateMetadata>` +
    `<CertificateBody>${held.body}</CertificateBody><CertificateChain>${held.chain}</CertificateChain>`;
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
  const message = `You are not authorized to perform: ${action}`;
  return {
    status: 403,
    body: `<ErrorResponse><Error><Code>AccessDenied</Code><Message>${message}</Message></Error></ErrorResponse>`,
    headers: { 'content-type': 'text/xml' },
  };
}
