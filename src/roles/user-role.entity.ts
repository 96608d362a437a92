import { Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { User } from '../users/user.entity.js';
import { Role } from './role.entity.js';

/** A role that a user holds. */
@Entity('user_role')
@Index('user_role_role_index', ['roleId'])
export class UserRole {
  @PrimaryColumn({ type: 'integer' })
  @ForeignKey(() => User, { name: 'user_role_user_fk', onDelete: 'CASCADE' })
  userId: number;

  @PrimaryColumn({ type: 'integer' })
  @ForeignKey(() => Role, { name: 'user_role_role_fk', onDelete: 'CASCADE' })
  roleId: number;
}
