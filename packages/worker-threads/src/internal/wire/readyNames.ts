/** The names of the leases that every host can keep. */
export type ReadyKind = "temporaryFolder" | "lockFile" | "childProcess" | "fileHandle"

export type ReadyName = `HostLeases.${ReadyKind}`

/** The prefix keeps the names apart from those of a user's own leases. */
export const readyName = (kind: ReadyKind): ReadyName => `HostLeases.${kind}`
