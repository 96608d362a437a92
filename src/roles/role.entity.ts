import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** A name that users hold and objects are linked to. What the built-in ones permit is in permission.ts; others only say who owns what. */
@Entity('role')
@Index('role_name_unique', { synchronize: false })
@Check('role_name_length', 'char_length(name) between 1 and 128')
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

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;
}
