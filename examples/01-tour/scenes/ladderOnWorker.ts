/**
 * The same busy loop on a worker, ended once on each rung: it looks at its flag, its token throws, it hears nothing,
 * it must not be ended. Three times its file is closed by its own finalizer; the last time nobody is left to do it.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { CancelReason, Lease, Thread } from "@quiesce/core"
import type { Escalation } from "@quiesce/core"
import { Effect } from "effect"
import * as Outside from "../outside.ts"
import { expect } from "../Scene.ts"
import type { Part, Scene } from "../Scene.ts"
import { makeBusy } from "../search/contract.ts"
import { makePool, whenBusy, type Searchers } from "../search/pool.ts"

const brief = "50 millis"
const long = "10 seconds"

/** How each is asked, and what kind of loop it is. */
const ways: ReadonlyArray<readonly [rung: Escalation.Rung, loop: string, escalation: Escalation.Escalation]> = [
  ["stop", "looks at its flag", { stop: long }],
  ["interrupt", "checks its token", { interrupt: long }],
  ["unwind", "hears nothing", { interrupt: brief, unwind: long }],
  ["kill", "must not be ended", { interrupt: brief, unwind: brief, kill: long }]
]

/** What came of one loop. `open` is how many descriptors were on its file while it ran, and when it had ended. */
interface Ended {
  readonly part: Part
  readonly worker: number
  readonly open: readonly [before: number, after: number]
  readonly read: number | undefined
  readonly report: string
}

const endOne = (pool: Searchers, folder: string, paths: ReadonlyArray<string>, way: (typeof ways)[number]) =>
  Effect.gen(function* () {
    const [rung, loop, escalation] = way
    const report = join(folder, `${rung}.txt`)
    const busy = makeBusy()
    const thread = yield* pool.spawn("Scan", { paths, report, endsOn: rung, busy })
    const worker = yield* whenBusy(busy)
    const before = Outside.openBelow(report)
    const reason = CancelReason.interrupted("The scan is no longer wanted")
    const { attempts, ending, lost, millis } = yield* Thread.shutdown(thread, escalation, { reason })
    yield* expect(attempts.at(-1)?._tag === "Ended" && attempts.at(-1)?.rung === rung, `${loop}: ended on ${rung}`)
    yield* expect(lost.length === (rung === "kill" ? 1 : 0), `${loop}: only a kill loses what the thread held`)
    const { acquired, released } = yield* Lease.tally(thread)
    const ended: Ended = {
      part: { name: loop, asked: Object.keys(escalation).join(", "), rung, millis, acquired, released },
      worker,
      open: [before, Outside.openBelow(report)],
      read: ending._tag === "Succeeded" ? yield* Thread.join(thread) : undefined,
      report: yield* Effect.promise(() => readFile(report, "utf8"))
    }
    return ended
  })

const reportFolder = (folder: string) =>
  Lease.make({
    name: "reports",
    acquire: Effect.promise(() => mkdtemp(join(folder, "reports-"))),
    release: (path) => Effect.promise(() => rm(path, { recursive: true }))
  })

export const ladderOnWorker: Scene = {
  name: "ladder on a worker",
  run: (place) =>
    Effect.gen(function* () {
      const folder = yield* reportFolder(place.folder)
      const pool = yield* makePool(place, 1)
      const { unwind } = pool.capabilities
      const paths = place.sources.slice(0, 2000)

      const all: Array<Ended> = []
      for (const way of ways) {
        if (way[0] === "unwind" && !unwind.available) continue
        all.push(yield* endOne(pool, folder, paths, way))
      }

      const [stopped, interrupted] = all
      const killed = all.at(-1)!
      const lines = stopped!.report.trimEnd().split("\n").length
      yield* expect(stopped!.read === lines, "the loop that looked at its flag returns what it has")
      yield* expect(interrupted!.report.endsWith("cut short\n"), "the loop whose token threw runs its own finally")
      yield* expect(new Set(all.map(({ worker }) => worker)).size === 1, "the worker lives on until it is killed")
      for (const { open, part } of Outside.canList ? all : []) {
        yield* expect(open[0] === 1 && open[1] === 0, `${part.name}: its file was open, and is closed`)
      }
      return {
        asked: "each rung in turn",
        rung: killed.part.rung,
        millis: all.reduce((sum, { part }) => sum + part.millis, 0),
        rows: 0,
        parts: all.map(({ part }) => part),
        story: [
          `the first returned what it had, ${lines} files; the second was cut short and ran its own finally`,
          unwind.available
            ? "the third was ended by the engine in the middle of it; the worker lived on and ran the fourth"
            : `hears nothing: left out, as unwind is not to be had here: ${unwind.why}`,
          `the file of the one that was killed is lost to the ledger; Node closed it with the worker, ${killed.open[1]} are open`
        ]
      }
    }).pipe(Effect.catchTag("WorkerError", Effect.die))
}
