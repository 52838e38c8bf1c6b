/** The scope of a client closes while its threads are in another scope. */
import * as ClusterThreads from "@quiesce/cluster/ClusterThreads"
import { CancelReason, ForcedEnd, Thread } from "@quiesce/core"
import { Effect, Exit, type Layer, Option, Scope } from "effect"
import { expect, it } from "vitest"
import { embedded, fileOf } from "./fixtures/embedded.ts"
import { events } from "./fixtures/eventLog.ts"
import { Tasks } from "./fixtures/tasks.ts"

/** A client with a scope of its own. Its threads are in the current scope. */
const client = Effect.gen(function* () {
  const scope = yield* Scope.make()
  return { scope, threads: yield* Scope.provide(ClusterThreads.make(Tasks), scope) }
})

const run = <A, E>(test: Effect.Effect<A, E, Layer.Success<ReturnType<typeof embedded>> | Scope.Scope>): Promise<A> =>
  Effect.runPromise(test.pipe(Effect.scoped, Effect.provide(embedded())))

const whenLogged = (file: string, line: string): Effect.Effect<void> =>
  Effect.suspend(() =>
    events(file).includes(line) ? Effect.void : Effect.andThen(Effect.sleep(5), whenLogged(file, line))
  )

/** The exit of a thread that has ended. */
const exitOf = (thread: Thread.Thread<unknown, unknown>): Effect.Effect<Exit.Exit<unknown, unknown>> =>
  Effect.map(Thread.status(thread), (status) =>
    status._tag === "Done" ? status.exit : Exit.succeed(`not ended: ${status._tag}`)
  )

it("the scope of a client ends a thread in another scope, after the finalizers of the thread", () =>
  run(
    Effect.gen(function* () {
      const file = fileOf("log")
      const { scope, threads } = yield* client
      const thread = yield* threads.spawn("Hold", { file, name: "a", releaseMillis: 50 })
      yield* whenLogged(file, "acquire a")
      yield* Scope.close(scope, Exit.void)
      expect(events(file)).toEqual(["start a", "acquire a", "release a"])
      expect(CancelReason.fromExit(yield* exitOf(thread))).toMatchObject({
        value: { _tag: "ParentEnded", message: "The scope of the client has closed" }
      })
    })
  ))

it("the scope of a client ends each thread by its own escalation, with the reason of the scope's exit", () =>
  run(
    Effect.gen(function* () {
      const file = fileOf("log")
      const { scope, threads } = yield* client
      const hold = { file, name: "a", releaseMillis: 60_000 }
      const escalation = { interrupt: "50 millis", kill: "10 seconds" } as const
      const thread = yield* threads.spawn("Hold", hold, { escalation, onLoss: "rerun" })
      yield* whenLogged(file, "acquire a")
      const reason = CancelReason.shutdown({ message: "enough" })
      yield* Scope.close(scope, Exit.failCause(CancelReason.toCause(reason)))
      const exit = yield* exitOf(thread)
      expect(Option.map(ForcedEnd.fromExit(exit), ({ _tag }) => _tag)).toEqual(Option.some("Killed"))
      expect(CancelReason.fromExit(exit)).toMatchObject({ value: { _tag: "Shutdown", message: "enough" } })
    })
  ))

it("a spawn with a client whose scope has closed returns an ended thread, and starts nothing", () =>
  run(
    Effect.gen(function* () {
      const file = fileOf("log")
      const { scope, threads } = yield* client
      yield* Scope.close(scope, Exit.void)
      const thread = yield* threads.spawn("Hold", { file, name: "a", releaseMillis: 0 })
      expect(CancelReason.fromExit(yield* exitOf(thread))).toMatchObject({
        value: { _tag: "ParentEnded", message: "The scope of the client has closed" }
      })
      yield* Thread.interrupt(thread)
      expect(events(file)).toEqual([])
    })
  ))
