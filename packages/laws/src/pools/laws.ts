/** The laws of pools by name, in words. They hold for pools of contracts, and for full and light pools of plain functions. */
/** The statements. */
export const statements = {
  "tasks-once": "no task of a pool is lost, starts twice, or starts after its call has settled",
  "drain-true": "a drain reports what finished, what was cut and what never started, as the tasks themselves saw it",
  "priority-first": "of the tasks that wait, the one with the highest priority starts first, and the oldest of these",
  "lease-once": "a host lease of a task is released once, before its call settles, whatever ends the call"
} as const

export type PoolLaw = keyof typeof statements

// The keys of the record are the names.
export const poolLaws: ReadonlyArray<PoolLaw> = Object.keys(statements) as Array<PoolLaw>

export const isPoolLaw = (name: string): name is PoolLaw => name in statements
