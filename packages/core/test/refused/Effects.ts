/** Programs with deadlines, signals and leases that the compiler refuses: see scripts/check-types.ts. */
import { Abort, Deadline, Lease } from "@quiesce/core"
import { Context, Effect } from "effect"

class Database extends Context.Service<Database, { readonly size: number }>()("Database") {}

declare const work: Effect.Effect<number, "no", Database>

// says: DeadlineExceeded
export const uncaught: Effect.Effect<number, "no", Database> = work.pipe(Deadline.within("1 second"))

// says: Database
export const unprovided = Abort.run(work)

// says: Database
export const otherContext = Abort.runWith(Context.empty())(work)

// says: number
export const noPromise = Abort.promise(() => 1)

// says: Promise<void>
export const releaseByPromise = Lease.acquire({
  name: "file",
  acquire: Effect.succeed(1),
  release: async () => {}
})

// says: 'release'
export const noRelease = Lease.acquire({ name: "file", acquire: Effect.succeed(1) })
