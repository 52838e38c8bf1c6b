/**
 * Looks at all processes of the machine, for all trees of this process at once.
 *
 * Invariants:
 * 1. A look begins after it was asked for, so that it shows every process that was there at that time.
 * 2. At most one look is under way. Requests that come meanwhile share the next one.
 */
import * as Table from "./processTable.ts"

export interface Seen {
  readonly process: Table.Process
  readonly environment: string
}

/** No process that is older than this one descends from it. */
const oldest = Table.find(process.pid)?.started ?? 0

const look = async (): Promise<ReadonlyArray<Seen>> => {
  const processes = await Table.all()
  return Promise.all(
    processes
      .filter((found) => found.started >= oldest && found.pid !== process.pid && !Table.isDead(found))
      .map(async (found) => ({ process: found, environment: await Table.environment(found) }))
  )
}

let current: Promise<ReadonlyArray<Seen>> | undefined
let following: Promise<ReadonlyArray<Seen>> | undefined

/** The live processes that are no older than this one. */
export const take = (): Promise<ReadonlyArray<Seen>> => {
  if (current === undefined) return (current = look().finally(() => (current = undefined)))
  following ??= current.then(() => {
    following = undefined
    return take()
  })
  return following
}
