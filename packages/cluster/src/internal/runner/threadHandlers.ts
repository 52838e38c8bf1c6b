/** The handlers of a thread's entity: they find the thread at this runner, and make the requests of its client. */
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Thread from "@quiesce/core/Thread"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { CurrentAddress } from "effect/cluster/Entity"
import { Sharding } from "effect/cluster/Sharding"
import { ThreadEntity } from "../wire/protocol.ts"
import type { RunnerThreads } from "./runnerThreads.ts"

/** An entity without a call falls away after this time. Its thread may still run. */
const maxIdleTime = "5 seconds"

type Found = Thread.Thread<unknown, unknown>

/** `runner` is the name of the runner. */
export const layer = (threads: RunnerThreads, runner: string): Layer.Layer<never, never, Sharding> =>
  ThreadEntity.toLayer(
    Effect.gen(function* () {
      const { entityId: id, shardId } = yield* CurrentAddress
      const sharding = yield* Sharding
      // The engine ends an idle entity, and each entity of a shard that goes to another runner.
      yield* Effect.addFinalizer(() =>
        sharding.hasShardId(shardId) ? Effect.void : threads.end(id, movedFrom(runner))
      )
      const found = <A>(f: (thread: Found) => Effect.Effect<A>): Effect.Effect<A | null> =>
        Effect.suspend(() => {
          const thread = threads.threadOf(id)
          return thread === undefined ? Effect.succeed(null) : f(thread)
        })
      return ThreadEntity.of({
        Start: ({ payload }) => threads.start(id, payload),
        Run: ({ payload }) => threads.run(id, payload),
        Stop: ({ payload }) => found((thread) => Effect.as(Thread.stop(thread, payload), true)),
        Interrupt: ({ payload }) => found((thread) => Effect.as(Thread.interruptFork(thread, payload), true)),
        Kill: ({ payload }) => found((thread) => Effect.as(kill(thread, payload.reason), true)),
        Unwind: () => found(unwind),
        Raise: ({ payload }) => found((thread) => Thread.raise(thread, ThreadAdapter.encodedError(payload.error))),
        Locate: () =>
          found((thread) =>
            Effect.map(
              ThreadAdapter.controlsOf(thread).locate,
              Option.getOrElse(() => "")
            )
          )
      })
    }),
    { concurrency: "unbounded", mailboxCapacity: "unbounded", maxIdleTime }
  )

const movedFrom = (runner: string): CancelReason.CancelReason =>
  CancelReason.moved(runner, { message: "The thread's shard moves to another runner" })

/** A thread on a fiber can't be killed. Its client waits for it no longer, so the fiber is interrupted. */
const kill = (thread: Found, reason: CancelReason.CancelReason): Effect.Effect<void> =>
  Option.match(ThreadAdapter.controlsOf(thread).kill, {
    onNone: () => Thread.interruptFork(thread, { reason }),
    onSome: (end) => end(reason)
  })

const unwind = (thread: Found): Effect.Effect<ThreadAdapter.UnwindOutcome> =>
  Option.getOrElse(ThreadAdapter.controlsOf(thread).unwind, () =>
    Effect.succeed<ThreadAdapter.UnwindOutcome>({ _tag: "Refused", why: "the runner runs its threads on fibers" })
  )
