import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';
import { type Sealed, sealedColumn } from '../platform/secrets/sealed.js';

/**
 * A role: users hold it, objects are linked to it. permission.ts defines what built-in roles permit; other roles grant
 * rights only on the objects that they own or are linked to.
 */
@Entity('role')
@Index('role_name_unique', { synchronize: false })
@Check('role_name_length', 'char_length(name) between 1 and 128')
@Check(
  'role_credentials',
  '(username is null or char_length(username) between 1 and 255) and (sealed_password is null) = (secret_id is null)',
)
export class Role {
  @PrimaryGeneratedColumn('identity', { type: 'integer', generatedIdentity: 'BY DEFAULT' })
  id: number;

  /** Unique, ignoring case. */
  @Column({ type: 'text' })
  name: string;

  @Column({ type: 'text', default: '' })
  description: string;

  /** True if an identity provider or a CA manages the role. */
  @Column({ type: 'boolean', default: false })
  thirdParty: boolean;

  /** Rights of holders on the objects that the role owns or is linked to: a subset of `rolePermissions`. */
  @Column({ type: 'text', array: true, default: [] })
  permissions: string[];

  /** User name of the stored credentials; null if there is none. */
  @Column({ type: 'text', nullable: true })
  username: string | null;

  /** Password of the stored credentials, sealed for `rolePasswordPlace(secretId)`. */
  @Column({ type: 'bytea', nullable: true, select: false, transformer: sealedColumn })
  sealedPassword: Sealed | null;

  @Column({ type: 'uuid', nullable: true, select: false })
  secretId: string | null;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;
}
