/** The ports of this machine on which a process listens, found by the inodes of its sockets. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs"

export interface Listening {
  readonly host: "127.0.0.1" | "[::1]"
  readonly port: number
}

const listens = "0A"

/** In the byte order of x86 and ARM, as the system prints them. */
const loopbacks: Readonly<Record<string, Listening["host"]>> = {
  "0100007F": "127.0.0.1",
  "00000000": "127.0.0.1",
  "00000000000000000000000001000000": "[::1]",
  "00000000000000000000000000000000": "127.0.0.1"
}

/** The ports that this machine reaches by its loopback address. */
export const of = (pid: number): ReadonlyArray<Listening> => {
  const inodes = socketsOf(pid)
  return ["tcp", "tcp6"].flatMap((table) => rows(table)).filter(({ inode }) => inodes.has(inode))
}

const rows = (table: string): ReadonlyArray<Listening & { readonly inode: string }> =>
  readOr(() => readFileSync(`/proc/self/net/${table}`, "latin1"), "")
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/)
      const [address = "", port = ""] = local.split(":")
      const host = loopbacks[address]
      if (state !== listens || host === undefined || inode === undefined) return []
      return [{ host, port: Number.parseInt(port, 16), inode }]
    })

const socketsOf = (pid: number): ReadonlySet<string> =>
  new Set(
    readOr(() => readdirSync(`/proc/${pid}/fd`), []).flatMap((descriptor) => {
      const link = readOr(() => readlinkSync(`/proc/${pid}/fd/${descriptor}`), "")
      return /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []
    })
  )

/** Processes and descriptors come and go. */
const readOr = <A>(read: () => A, otherwise: A): A => {
  try {
    return read()
  } catch {
    return otherwise
  }
}
