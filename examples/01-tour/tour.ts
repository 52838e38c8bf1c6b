/**
 * Runs the scenes one after another below one thread and prints their results. At the end the tour compares the counts of
 * Quiesce with the real files, descriptors and rows.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { CancelReason, Lease, Abort, Thread } from "@quiesce/core"
import * as Timeline from "@quiesce/core/Timeline"
import { Cause, Console, Duration, Effect, Exit } from "effect"
import type { Scope } from "effect"
import * as Outside from "./outside.ts"
import type { Outcome, Place, Scene } from "./Scene.ts"
import { hungFinalizer } from "./scenes/hungFinalizer.ts"
import { joinWithTimeout } from "./scenes/joinWithTimeout.ts"
import { killedHolder } from "./scenes/killedHolder.ts"
import { ladderOnWorker } from "./scenes/ladderOnWorker.ts"
import { lockGivenBack } from "./scenes/lockGivenBack.ts"
import { parentAndChildren } from "./scenes/parentAndChildren.ts"
import { raiseFromOutside } from "./scenes/raiseFromOutside.ts"
import { runawayPattern } from "./scenes/runawayPattern.ts"
import { stopFlag } from "./scenes/stopFlag.ts"
import { transactionRolledBack } from "./scenes/transactionRolledBack.ts"
import { survey } from "./sources.ts"

const scenes: ReadonlyArray<Scene> = [
  stopFlag,
  raiseFromOutside,
  joinWithTimeout,
  parentAndChildren,
  lockGivenBack,
  transactionRolledBack,
  hungFinalizer,
  ladderOnWorker,
  runawayPattern,
  killedHolder
]

/** The results of the scenes, recorded while they run, so that a cancelled tour has them, too. */
interface Account {
  folder: string
  /** The resources that were not freed by their own release, counted by the cause that freed them. */
  readonly freedBy: Map<string, number>
  readonly rows: Map<string, number>
  /** The failed checks. A tour that was ended early has none. */
  readonly problems: Array<string>
}

/**
 * The whole tour. An abort of `signal` ends it early and in order.
 *
 * Gives the number of resources that are left, and whether all checks have passed.
 */
export const tour = (options: {
  readonly signal: AbortSignal
  readonly leak: boolean
}): Effect.Effect<{ readonly left: number; readonly sound: boolean }> =>
  Effect.gen(function* () {
    const account: Account = { folder: "", freedBy: new Map(), rows: new Map(), problems: [] }
    const recording = yield* Timeline.record({ capacity: 100_000 })
    yield* Console.log("Quiesce, a tour: ten ways to end a thread, and nothing is left behind")
    // After the first line, because Node opens the standard output at its first use.
    const before = Outside.lookAtHandles()
    const [elapsed, root] = yield* Effect.timed(Effect.scoped(perform(options, account)))
    // One turn of the event loop: Node then removes closed handles from its list.
    yield* Effect.yieldNow
    const after = Outside.newHandles(before, Outside.lookAtHandles())
    const remains = Outside.lookAtFolder(dirname(account.folder)).filter((name) => name === basename(account.folder))

    const tally = yield* Lease.tally(root)
    const freed = freedOtherwise(account)
    const left = Math.max(tally.acquired - tally.released - freed, after.length + remains.length)
    yield* Console.log()
    for (const handle of after) yield* Console.log(`left: ${handle}`)
    for (const name of remains) yield* Console.log(`left: the folder ${name}`)
    for (const problem of account.problems) yield* Console.log(`wrong: ${problem}`)
    if (after.length + remains.length === 0) {
      yield* Console.log("checked from outside: no new descriptor, timer or handle is open, and the folder is gone")
    }
    yield* Console.log(`the tour as a picture: ${yield* writeTimeline(yield* recording.read)}`)
    yield* Console.log(
      `counted by Quiesce: ${tally.released} released, ${tally.failed} failed, ${tally.timedOut} hung, ${tally.lost} lost with a killed worker`
    )
    yield* Console.log(`the hung and the lost were freed by: ${causes(account)}`)
    yield* Console.log(`${account.rows.size} scenes, ${Duration.toSeconds(elapsed).toFixed(1)} s`)
    yield* Console.log(
      `${tally.acquired} acquired = ${tally.released} released + ${freed} freed otherwise + ${left} left`
    )
    return { left, sound: account.problems.length === 0 }
  }).pipe(Effect.scoped)

/** Writes the timeline into a folder that stays, as a picture, as a text and for Perfetto. Gives the path of the picture. */
const writeTimeline = (timeline: Timeline.Timeline): Effect.Effect<string> =>
  Effect.promise(async () => {
    const folder = await mkdtemp(join(tmpdir(), "quiesce-timeline-"))
    const picture = join(folder, "tour.svg")
    await writeFile(picture, Timeline.renderSvg(timeline))
    await writeFile(join(folder, "tour.txt"), Timeline.render(timeline))
    await writeFile(join(folder, "tour.json"), Timeline.renderTrace(timeline))
    return picture
  })

const freedOtherwise = ({ freedBy }: Account): number => [...freedBy.values()].reduce((sum, count) => sum + count, 0)

const causes = ({ freedBy }: Account): string =>
  Array.from(freedBy, ([cause, count]) => `${cause} ${count}`).join("; ") || "nothing"

/** Runs the scenes in the thread of the tour, and gives the thread after its end. */
const perform = (
  { signal, leak }: { readonly signal: AbortSignal; readonly leak: boolean },
  account: Account
): Effect.Effect<Thread.Thread<void>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const root = yield* Thread.spawn(
      Effect.gen(function* () {
        const sources = yield* survey
        account.folder = yield* temporaryFolder
        const freedBy = (cause: string, count = 1) => {
          if (count > 0) account.freedBy.set(cause, (account.freedBy.get(cause) ?? 0) + count)
        }
        const database = join(account.folder, "index.db")
        const place: Place = { folder: account.folder, database, sources, leak, freedBy }
        yield* Console.log(`${sources.length} source files under node_modules, indexed into ${place.database}\n`)
        yield* Console.log(row("scene", "asked", "ended on", "ms", "acquired", "released", "left"))
        for (const [at, scene] of scenes.entries()) yield* play(scene, at + 1, place, account)
        yield* inspect(place, account)
      }),
      { name: "tour" }
    )
    yield* Effect.forkScoped(
      Effect.flatMap(Abort.awaitAbort(signal), (reason) =>
        Thread.interrupt(root, { reason: CancelReason.fromUnknown(reason) })
      )
    )
    const exit = yield* Thread.await(root)
    if (signal.aborted) yield* Console.log("\nended early")
    else if (Exit.isFailure(exit)) account.problems.push(problemOf("the tour", exit))
    return root
  })

const temporaryFolder = Lease.acquire({
  name: "temporary folder",
  acquire: Effect.promise(() => mkdtemp(join(tmpdir(), "quiesce-tour-"))),
  release: (folder) => Effect.promise(() => rm(folder, { recursive: true }))
})

/** Runs one scene as a thread, waits for its end and prints its lines. */
const play = (scene: Scene, number: number, place: Place, account: Account) =>
  Effect.gen(function* () {
    const before = freedOtherwise(account)
    const thread = yield* Thread.spawn(scene.run(place), { name: scene.name })
    const exit = yield* Thread.await(thread)
    const { acquired, released } = yield* Lease.tally(thread)
    if (Exit.isFailure(exit)) return void account.problems.push(problemOf(scene.name, exit))
    const { asked, rung, millis, story, rows, parts = [] }: Outcome = exit.value
    const left = acquired - released - (freedOtherwise(account) - before)
    account.rows.set(scene.name, rows)
    yield* Console.log(row(`${number} ${scene.name}`, asked, rung ?? "no rung", millis, acquired, released, left))
    for (const part of parts) {
      yield* Console.log(
        row(
          `    ${part.name}`,
          part.asked,
          part.rung ?? "left out",
          part.millis,
          part.acquired,
          part.released,
          part.left
        )
      )
    }
    for (const line of story) yield* Console.log(`    ${line}`)
  })

/** Compares the database and the folder with the results of the scenes. */
const inspect = (place: Place, account: Account): Effect.Effect<void> =>
  Effect.gen(function* () {
    // In this order, because an open connection has files of its own beside the database.
    const files = Outside.lookAtFolder(place.folder)
    const { rows, sound } = Outside.lookAtDatabase(place.database)
    let total = 0
    for (const scene of scenes) {
      const found = rows.get(scene.name) ?? 0
      const expected = account.rows.get(scene.name) ?? 0
      total += found
      if (found !== expected)
        account.problems.push(`${scene.name}: ${found} rows in the database, ${expected} expected`)
    }
    if (!sound) account.problems.push("the database fails its integrity check")
    if (files.join() !== "index.db") account.problems.push(`the folder holds ${files.join(", ")}`)
    if (account.problems.length > 0) return
    yield* Console.log(
      `\nchecked from outside: the database has ${total} rows, as expected of each scene, and the folder no other file`
    )
  })

const problemOf = (name: string, exit: Exit.Failure<unknown, unknown>): string => `${name}: ${Cause.pretty(exit.cause)}`

const row = (
  name: string,
  asked: string,
  ended: string,
  millis: string | number,
  acquired: string | number,
  released: string | number,
  left: string | number
): string =>
  [
    name.padEnd(27),
    asked.padEnd(24),
    ended.padEnd(13),
    String(millis).padStart(5),
    String(acquired).padStart(10),
    String(released).padStart(10),
    String(left).padStart(6)
  ].join("")
