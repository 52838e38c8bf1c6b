/** The laws of a cluster by name, in words. */
/** The statements. */
export const statements = {
  "run-once": "a body starts at most once",
  "fence-holds": "after the kill of a thread no checked write of it succeeds",
  "takeover-tells": "after the death of a runner each of its threads settles within a limit",
  "cancel-before-start": "a thread that ended before it started never starts",
  "join-harmless": "a runner that joins starts no body again, and a thread that has to move says so",
  "absence-harmless": "a store that takes no writes for a while ends no thread of a living runner"
} as const

export type ClusterLaw = keyof typeof statements

// The keys of the record are the names.
export const clusterLaws: ReadonlyArray<ClusterLaw> = Object.keys(statements) as Array<ClusterLaw>

export const isClusterLaw = (name: string): name is ClusterLaw => name in statements
