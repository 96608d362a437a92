import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { ProfileRules } from './profile-rules.schema.js';

/** The rules for certificates of one kind. Its rules are in `ProfileVersion`; `version` is the newest. */
@Entity('profile')
export class Profile {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('text') name: string;
  @Column('text', { nullable: true }) description: string | null;
  /** False: no new request may use it; renewals still do. */
  @Column('boolean') active: boolean;
  /** True: this program wrote it, and no user changes it. */
  @Column('boolean') builtIn: boolean;
  @Column('integer') version: number;
  @Column('timestamptz') createdAt: Date;
}

/** The rules of a profile from one change to the next. Never changes, and stays as long as the profile. */
@Entity('profile_version')
export class ProfileVersion {
  @PrimaryColumn('integer') profileId: number;
  @PrimaryColumn('integer') version: number;
  @Column('jsonb') rules: ProfileRules;
  /** The user name of its author; null for the program. */
  @Column('text', { nullable: true }) author: string | null;
  @Column('timestamptz') createdAt: Date;
}
