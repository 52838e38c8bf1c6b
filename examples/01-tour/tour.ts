/**
 * Runs the scenes one after another below one thread, prints what they saw, and settles the account: what the ledger
 * has counted, against what there really is.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { CancelReason, Lease, Signal, Thread } from "@quiesce/core"
import type { ThreadError } from "@quiesce/core"
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

/** What the scenes came to, written down while they run, so that it is there even if the tour is cancelled. */
interface Account {
  folder: string
  /** What is gone although its own release was given up or lost, counted by what has released it. */
  readonly rescued: Map<string, number>
  readonly rows: Map<string, number>
  /** What did not go as it should, if nobody ended the tour early. */
  readonly problems: Array<string>
}

/**
 * The whole tour. An abort of `signal` ends it early and in order.
 *
 * Gives the number of resources that are left, and whether all else was as it should be.
 */
export const tour = (options: {
  readonly signal: AbortSignal
  readonly leak: boolean
}): Effect.Effect<{ readonly left: number; readonly sound: boolean }, ThreadError.ThreadError> =>
  Effect.gen(function* () {
    const account: Account = { folder: "", rescued: new Map(), rows: new Map(), problems: [] }
    yield* Console.log("Quiesce, a tour: how threads end, and what they leave behind")
    // Not before the first line is out: Node opens the standard output when it is used.
    const before = Outside.lookAtHandles()
    const [elapsed, root] = yield* Effect.timed(Effect.scoped(perform(options, account)))
    // One turn of the event loop, for what has just closed to be taken off Node's list.
    yield* Effect.yieldNow
    const after = Outside.newHandles(before, Outside.lookAtHandles())
    const remains = Outside.lookAtFolder(dirname(account.folder)).filter((name) => name === basename(account.folder))

    const tally = yield* Lease.tally(root)
    const released = tally.released + rescuedOf(account)
    const left = Math.max(tally.acquired - released, after.length + remains.length)
    yield* Console.log()
    for (const handle of after) yield* Console.log(`left: ${handle}`)
    for (const name of remains) yield* Console.log(`left: the folder ${name}`)
    for (const problem of account.problems) yield* Console.log(`wrong: ${problem}`)
    if (after.length + remains.length === 0) {
      yield* Console.log(
        "seen from outside: no descriptor, timer or handle that was not there before; the folder is gone"
      )
    }
    yield* Console.log(
      `seen by the ledger: ${tally.released} released, ${tally.failed} failed, ${tally.timedOut} given up, ${tally.lost} lost`
    )
    yield* Console.log(`gone all the same of those ${tally.timedOut + tally.lost}: ${rescues(account)}`)
    yield* Console.log(`${account.rows.size} scenes, ${Duration.toSeconds(elapsed).toFixed(1)} s`)
    yield* Console.log(`${tally.acquired} acquired, ${released} released, ${left} left`)
    return { left, sound: account.problems.length === 0 }
  })

const rescuedOf = ({ rescued }: Account): number => [...rescued.values()].reduce((sum, count) => sum + count, 0)

const rescues = ({ rescued }: Account): string =>
  Array.from(rescued, ([by, count]) => `${count} ${by}`).join(", ") || "none"

/** Runs the scenes in the tour's own thread, and gives that when it has ended. */
const perform = (
  { signal, leak }: { readonly signal: AbortSignal; readonly leak: boolean },
  account: Account
): Effect.Effect<Thread.Thread<void, ThreadError.ThreadError>, ThreadError.ThreadError, Scope.Scope> =>
  Effect.gen(function* () {
    const root = yield* Thread.spawn(
      Effect.gen(function* () {
        const sources = yield* survey
        account.folder = yield* temporaryFolder
        const rescue = (by: string, count = 1) => {
          if (count > 0) account.rescued.set(by, (account.rescued.get(by) ?? 0) + count)
        }
        const database = join(account.folder, "index.db")
        const place: Place = { folder: account.folder, database, sources, leak, rescue }
        yield* Console.log(`${sources.length} source files under node_modules, indexed into ${place.database}\n`)
        yield* Console.log(row("scene", "asked", "ended on", "ms", "acquired", "released"))
        for (const [at, scene] of scenes.entries()) yield* play(scene, at + 1, place, account)
        yield* inspect(place, account)
      }),
      { name: "tour" }
    )
    yield* Effect.forkScoped(
      Effect.flatMap(Signal.awaitAbort(signal), (reason) => Thread.interrupt(root, CancelReason.fromUnknown(reason)))
    )
    const exit = yield* Thread.await(root)
    if (signal.aborted) yield* Console.log("\nended early")
    else if (Exit.isFailure(exit)) account.problems.push(problemOf("the tour", exit))
    return root
  })

const temporaryFolder = Lease.make({
  name: "temporary folder",
  acquire: Effect.promise(() => mkdtemp(join(tmpdir(), "quiesce-tour-"))),
  release: (folder) => Effect.promise(() => rm(folder, { recursive: true }))
})

/** Runs one scene as a thread, waits for its end and prints its lines. */
const play = (scene: Scene, number: number, place: Place, account: Account) =>
  Effect.gen(function* () {
    const before = rescuedOf(account)
    const thread = yield* Thread.spawn(scene.run(place), { name: scene.name })
    const exit = yield* Thread.await(thread)
    const { acquired, released } = yield* Lease.tally(thread)
    if (Exit.isFailure(exit)) return void account.problems.push(problemOf(scene.name, exit))
    const { asked, rung, millis, story, rows, parts = [] }: Outcome = exit.value
    const gone = released + rescuedOf(account) - before
    account.rows.set(scene.name, rows)
    yield* Console.log(row(`${number} ${scene.name}`, asked, rung ?? "no rung", millis, acquired, gone))
    for (const part of parts) {
      yield* Console.log(
        row(`    ${part.name}`, part.asked, part.rung ?? "left out", part.millis, part.acquired, part.released)
      )
    }
    for (const line of story) yield* Console.log(`    ${line}`)
  })

/** Compares the database and the folder with what the scenes said that they left there. */
const inspect = (place: Place, account: Account): Effect.Effect<void> =>
  Effect.gen(function* () {
    // In this order, as a connection leaves files of its own beside the database while it is open.
    const files = Outside.lookAtFolder(place.folder)
    const { rows, sound } = Outside.lookAtDatabase(place.database)
    let total = 0
    for (const scene of scenes) {
      const found = rows.get(scene.name) ?? 0
      const said = account.rows.get(scene.name) ?? 0
      total += found
      if (found !== said) account.problems.push(`${scene.name}: ${found} rows in the database, ${said} expected`)
    }
    if (!sound) account.problems.push("the database fails its integrity check")
    if (files.join() !== "index.db") account.problems.push(`the folder holds ${files.join(", ")}`)
    if (account.problems.length > 0) return
    yield* Console.log(
      `\nseen from outside: ${total} sound rows, as many in each scene as it said; no other file beside them`
    )
  })

const problemOf = (name: string, exit: Exit.Failure<unknown, unknown>): string => `${name}: ${Cause.pretty(exit.cause)}`

const row = (
  name: string,
  asked: string,
  ended: string,
  millis: string | number,
  acquired: string | number,
  released: string | number
): string =>
  [
    name.padEnd(27),
    asked.padEnd(24),
    ended.padEnd(13),
    String(millis).padStart(5),
    String(acquired).padStart(10),
    String(released).padStart(10)
  ].join("")
