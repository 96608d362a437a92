import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Requires } from '../../platform/http/actor.js';
import { Answers, Id, PathText, Summary } from '../../platform/http/contract.js';
import { Problem } from '../../platform/http/problem.js';
import { pemBlocks, splitCertificates } from '../../pki/pem.js';
import { pkcs7Of } from '../../pki/pkcs7.js';
import { CertificateReader } from '../list/certificate-reader.js';

const pem = 'application/x-pem-file';
const pkcs7 = 'application/pkcs7-mime';

/** The files by name: their media type (RFC 2585, RFC 8551), and their content made of a certificate and its chain. */
const files: Readonly<Record<string, { type: string; of: (leafPem: string, chainPem: string) => string | Buffer }>> = {
  'certificate.pem': { type: pem, of: (leaf) => leaf },
  'certificate.der': { type: 'application/pkix-cert', of: (leaf) => derOf(leaf)[0] ?? Buffer.alloc(0) },
  'chain.pem': { type: pem, of: (_, chain) => chain },
  'chain.p7b': { type: pkcs7, of: (_, chain) => pkcs7Of(derOf(chain)) },
  'fullchain.pem': { type: pem, of: (leaf, chain) => leaf + chain },
  'fullchain.p7b': { type: pkcs7, of: (leaf, chain) => pkcs7Of([...derOf(leaf), ...derOf(chain)]) },
};

/** The route that downloads a certificate and its chain as files. Never has the private key. */
@Controller('certificates')
export class FileController {
  constructor(private readonly reader: CertificateReader) {}

  @Get(':id/files/:file')
  @Requires('certificate:read')
  @Summary('Download a certificate or its chain', `One of ${Object.keys(files).join(', ')}.`)
  @Answers(200, null, { types: [pem, 'application/pkix-cert', pkcs7] })
  async download(
    @Id() id: number,
    @PathText('file') name: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | Buffer> {
    const { name: certificate, bodyPem, chainPem } = await this.reader.row(id);
    const file = Object.hasOwn(files, name) ? files[name] : undefined;
    if (!file) throw new Problem('not-found', `There is no file ${name.slice(0, 100)}; try ${Object.keys(files)[0]}.`);
    if (bodyPem === null) throw new Problem('wrong-state', `Certificate ${certificate} is not issued yet.`);
    void reply.header('content-disposition', `attachment; filename="${name}"`).type(file.type);
    return file.of(bodyPem, chainPem ?? '');
  }
}

function derOf(pemText: string): Buffer[] {
  return splitCertificates(pemText).flatMap((one) => pemBlocks(one, ['CERTIFICATE']).map(({ der }) => der));
}
