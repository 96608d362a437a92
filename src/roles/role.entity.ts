import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';
import { type Sealed, sealedColumn } from '../platform/secrets/sealed.js';

/**
 * A name that users hold and objects are linked to. What the built-in ones permit is in permission.ts; others only say
 * who owns what.
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

  /** Unique whatever its case. */
  @Column({ type: 'text' })
  name: string;

  @Column({ type: 'text', default: '' })
  description: string;

  /** True when an identity provider or a CA keeps the role, not a person here. */
  @Column({ type: 'boolean', default: false })
  thirdParty: boolean;

  /**
   * What holders may do with the objects that the role owns or is linked to: some of `rolePermissions` in
   * permission.ts.
   */
  @Column({ type: 'text', array: true, default: [] })
  permissions: string[];

  /** A user name that the role keeps for its holders, with a password; null when there is none. */
  @Column({ type: 'text', nullable: true })
  username: string | null;

  /** Sealed for `rolePasswordPlace(secretId)`; read only where the credentials are asked for. */
  @Column({ type: 'bytea', nullable: true, select: false, transformer: sealedColumn })
  sealedPassword: Sealed | null;

  @Column({ type: 'uuid', nullable: true, select: false })
  secretId: string | null;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;
}
