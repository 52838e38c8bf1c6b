/**
 * One busy loop in a worker, run four times and ended once on each rung: the loop polls its flag; the loop's token throws;
 * the loop checks nothing; the loop is declared as uninterruptible. Three times the task's own finalizer closes the file.
 * The last time the worker is killed, and Node closes the file.
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
import { makePool, otherCodeProblem, whenBusy, type Searchers } from "../search/pool.ts"

const brief = "50 millis"
const long = "10 seconds"

/** For each rung: the kind of the loop, and the escalation that ends the loop on that rung. */
const ways: ReadonlyArray<readonly [rung: Escalation.Rung, loop: string, escalation: Escalation.Escalation]> = [
  ["stop", "polls its flag", { stop: long }],
  ["interrupt", "checks its token", { interrupt: long }],
  ["unwind", "checks nothing", { interrupt: brief, unwind: long }],
  ["kill", "is uninterruptible", { interrupt: brief, unwind: brief, kill: long }]
]

/** The end of one loop. `open` is the number of descriptors on its file, while the loop ran and after its end. */
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
    const reason = CancelReason.interrupted({ message: "The scan is no longer wanted" })
    const { attempts, ending, lost, millis } = yield* Thread.shutdown(thread, { escalation, reason })
    yield* expect(attempts.at(-1)?._tag === "Ended" && attempts.at(-1)?.rung === rung, `${loop}: ended on ${rung}`)
    yield* expect(lost.length === (rung === "kill" ? 1 : 0), `${loop}: only a kill loses a lease`)
    const { acquired, released } = yield* Lease.tally(thread)
    const after = Outside.openBelow(report)
    // Node closes the file of a killed worker, so that a lost lease is left only if its descriptor is still open.
    const left = Math.max(acquired - released - lost.length, after)
    const ended: Ended = {
      part: { name: loop, asked: Object.keys(escalation).join(", "), rung, millis, acquired, released, left },
      worker,
      open: [before, after],
      read: ending._tag === "Succeeded" ? yield* Thread.join(thread) : undefined,
      report: yield* Effect.promise(() => readFile(report, "utf8"))
    }
    return ended
  })

const reportFolder = (folder: string) =>
  Lease.acquire({
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
      const paths = place.sources.slice(0, 2000)

      const all: Array<Ended> = []
      for (const way of ways) {
        if (way[0] === "unwind" && otherCodeProblem(pool) !== undefined) continue
        all.push(yield* endOne(pool, folder, paths, way))
      }

      const problem = otherCodeProblem(pool)
      const [stopped, interrupted] = all
      const killed = all.at(-1)!
      const lines = stopped!.report.trimEnd().split("\n").length
      yield* expect(stopped!.read === lines, "the loop that polled its flag returns the number of read files")
      yield* expect(interrupted!.report.endsWith("cut short\n"), "the loop whose token threw runs its own finally")
      yield* expect(new Set(all.map(({ worker }) => worker)).size === 1, "the worker lives on until it is killed")
      for (const { open, part } of Outside.canList ? all : []) {
        yield* expect(open[0] === 1 && open[1] === 0, `${part.name}: the file was open and is closed`)
      }
      return {
        asked: "each rung in turn",
        rung: killed.part.rung,
        millis: all.reduce((sum, { part }) => sum + part.millis, 0),
        rows: 0,
        parts: all.map(({ part }) => part),
        story: [
          `the first loop returned its result, ${lines} files; the second was interrupted and ran its own finally`,
          problem === undefined
            ? "the engine ended the third in the middle of the loop; the worker lived on and ran the fourth"
            : `checks nothing: left out, because unwind is not available here: ${problem}`,
          `the killed worker could not close the fourth file; Node closed the file with the worker, ${killed.open[1]} are open`
        ]
      }
    }).pipe(Effect.catchTag("WorkerError", Effect.die))
}
