/** An app on Effect's RPC. It knows nothing of workers: the protocol is given to it. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Signal } from "@quiesce/core"
import { Console, Deferred, Effect, Exit, Fiber, Option, Stream } from "effect"
import { RpcClient } from "effect/rpc"
import { Reports } from "./contract.ts"

const say = (what: string, came: string): Effect.Effect<void> => Console.log(`  ${what.padEnd(34)}${came}`)

/** Waits until a file is there. */
const appears = (file: string): Effect.Effect<void> =>
  Effect.suspend(() => (existsSync(file) ? Effect.void : Effect.andThen(Effect.sleep(10), appears(file))))

const makeClient = RpcClient.make(Reports)
type Client = Effect.Success<typeof makeClient>

/** The user calls a report off, when three rows have been written. */
const calledOff = Effect.fnUntraced(function* (client: Client, file: string) {
  const user = new AbortController()
  const rows = Stream.runForEach(client.Write({ file, rows: 1_000_000 }), (row) =>
    Effect.sync(() => {
      if (row === 3) user.abort(new Error("the user has changed her mind"))
    })
  )
  yield* Effect.ignore(Effect.tryPromise(() => Signal.run(rows, { signal: user.signal })))
  yield* say(
    "a report is called off at row 3",
    existsSync(`${file}.part`) ? "back, half a report lies there" : "back, all is tidy"
  )
  yield* appears(`${file}.why`)
  yield* say("its handler was told", readFileSync(`${file}.why`, "utf8"))
})

/** One of two workers crashes, and a report on the other has a hundred more rows, or has not. */
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
  yield* say("a call on another worker crashes", `the report ${Exit.isSuccess(exit) ? "goes on" : "has failed, too"}`)
})

/** Both workers compute what nobody wants any more. */
const busy = Effect.fnUntraced(function* (client: Client, locks: ReadonlyArray<string>) {
  const renders = yield* Effect.forEach(locks, (lock) => Effect.forkChild(client.Render({ lock })))
  yield* Effect.forEach(locks, appears)
  yield* Fiber.interruptAll(renders)
  const sum = yield* Effect.timeoutOption(client.Sum({ numbers: [1, 2, 3] }), "3 seconds")
  yield* say(
    "two endless loops are interrupted",
    Option.isSome(sum) ? "the next call is answered" : "the next call waits 3 seconds for nothing"
  )
})

/** `folder` is where the app has its files. */
export const app = Effect.fnUntraced(function* (folder: string) {
  const client = yield* makeClient
  yield* calledOff(client, join(folder, "one"))
  yield* crashed(client, join(folder, "two"))
  yield* busy(client, [join(folder, "a.lock"), join(folder, "b.lock")])
}, Effect.scoped)
