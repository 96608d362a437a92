/**
 * SQL: an array of the ids in `seed` (a query of one column) and of everything that these replace (`older`) or that
 * replaces them (`newer`), directly or in several steps. Compare with `= any(...)`: the planner cannot tell how long a
 * line is, and reads the rows of an array by their index, but the whole table to join it with a query.
 */
export function lineIds(direction: 'older' | 'newer' | 'both', seed: string): string {
  if (direction === 'both') return `(${lineIds('older', seed)} || ${lineIds('newer', seed)})`;
  const [from, to] = direction === 'older' ? ['certificate_id', 'replaced_id'] : ['replaced_id', 'certificate_id'];
  return `array(with recursive step(id) as (${seed} union select next.id from step cross join lateral (
    select r.${to} as id from certificate_replacement r where r.${from} = step.id offset 0) next) select id from step)`;
}
