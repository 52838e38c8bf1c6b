/** A bystander: a thread outside the scenario, which must notice no effect of it. */
import * as Blocking from "@quiesce/core/Blocking"
import * as Lease from "@quiesce/core/Lease"
import * as Thread from "@quiesce/core/Thread"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

const tick = Effect.callback<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** Holds a lease and runs sections until `word` is set. No cancel may reach the bystander. */
export const bystander = (word: Int32Array): Effect.Effect<ReadonlyArray<string>> => {
  const problems: Array<string> = []
  let isDone = false
  const held = Lease.acquire({
    name: "bystander",
    acquire: Effect.void,
    release: () => Effect.sync(() => (isDone ? undefined : problems.push("its lease was released")))
  })
  const turn = Effect.gen(function* () {
    if (yield* Thread.stopRequested) problems.push("it was asked to stop")
    const sum = yield* Blocking.interruptible((token) => {
      if (token.interrupted) problems.push("its token says interrupted")
      let sum = 0
      for (let i = 0; i < 100; i++) sum += i
      return sum
    })
    if (sum !== 4950) problems.push("its section was ended")
    yield* tick
  })
  const body = Effect.gen(function* () {
    yield* held
    let turns = 0
    while (turns++ < 3 || Atomics.load(word, 0) === 0) yield* turn
    isDone = true
    return problems
  })
  return Effect.onExit(Effect.orDie(Effect.scoped(body)), (exit) =>
    Effect.sync(() => (Exit.isSuccess(exit) ? undefined : problems.push("it was ended")))
  )
}
