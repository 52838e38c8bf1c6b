/** An app on Effect's RPC. The app does not import workers: the protocol comes from outside. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Abort } from "@quiesce/core"
import { Console, Deferred, Effect, Exit, Fiber, Option, Stream } from "effect"
import { RpcClient } from "effect/rpc"
import { Reports } from "./contract.ts"

const say = (event: string, result: string): Effect.Effect<void> => Console.log(`  ${event.padEnd(36)}${result}`)

/** Waits until a file exists. */
const appears = (file: string): Effect.Effect<void> =>
  Effect.suspend(() => (existsSync(file) ? Effect.void : Effect.andThen(Effect.sleep(10), appears(file))))

const makeClient = RpcClient.make(Reports)
type Client = Effect.Success<typeof makeClient>

/** The user cancels a report after three rows. */
const cancelled = Effect.fnUntraced(function* (client: Client, file: string) {
  const user = new AbortController()
  const rows = Stream.runForEach(client.Write({ file, rows: 1_000_000 }), (row) =>
    Effect.sync(() => {
      if (row === 3) user.abort(new Error("the user changed her mind"))
    })
  )
  yield* Effect.ignore(Effect.tryPromise(() => Abort.run(rows, { signal: user.signal })))
  yield* say(
    "a report is cancelled at row 3",
    existsSync(`${file}.part`)
      ? "the call returned too early, half a report is left"
      : "the call returned after the cleanup"
  )
  yield* appears(`${file}.why`)
  yield* say("the reason in its handler", readFileSync(`${file}.why`, "utf8"))
})

/** One of two workers crashes while a report runs on the other worker. */
const crashed = Effect.fnUntraced(function* (client: Client, file: string) {
  const begun = yield* Deferred.make<void>()
  let left = Infinity
  const writing = client.Write({ file, rows: 1_000_000 }).pipe(
    Stream.tap(() => Deferred.succeed(begun, undefined)),
    Stream.takeWhile(() => --left > 0),
    Stream.runDrain
  )
  const fiber = yield* Effect.forkChild(writing)
  yield* Deferred.await(begun)
  yield* Effect.exit(client.Crash())
  left = 100
  const exit = yield* Fiber.await(fiber)
  yield* say("a call on another worker crashes", `the report ${Exit.isSuccess(exit) ? "goes on" : "fails, too"}`)
})

/** Both workers run endless loops, and the caller interrupts the calls. */
const busy = Effect.fnUntraced(function* (client: Client, locks: ReadonlyArray<string>) {
  const renders = yield* Effect.forEach(locks, (lock) => Effect.forkChild(client.Render({ lock })))
  yield* Effect.forEach(locks, appears)
  yield* Fiber.interruptAll(renders)
  const sum = yield* Effect.timeoutOption(client.Sum({ numbers: [1, 2, 3] }), "3 seconds")
  yield* say(
    "two endless loops are interrupted",
    Option.isSome(sum) ? "the next call is answered" : "the next call gets no answer in 3 seconds"
  )
})

/** `folder` holds the files of the app. */
export const app = Effect.fnUntraced(function* (folder: string) {
  const client = yield* makeClient
  yield* cancelled(client, join(folder, "one"))
  yield* crashed(client, join(folder, "two"))
  yield* busy(client, [join(folder, "a.lock"), join(folder, "b.lock")])
}, Effect.scoped)
