/**
 * Test workers that call a plain function. The public functions can only abort a call, and the laws climb each rung, so the
 * pool is the one behind the public functions.
 */
import type { Program } from "@quiesce/testing/laws/Program"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Thread from "@quiesce/core/Thread"
import * as PlainPool from "../../../worker-threads/src/internal/plainTask/host/plainPool.ts"
import type { Kind } from "../workers/TestPool.ts"
import { type Input, withLocks } from "./plainContract.ts"

const functions = new URL("./functions.ts", import.meta.url).href

const call = (input: Input) => ({ url: functions, input, reports: false })

const locks = (program: Program): boolean => JSON.stringify(program).includes('"Lock"')

export const plainPool: Kind = {
  url: new URL("../../../worker-threads/src/internal/plainTask/task.worker.ts", import.meta.url),
  extra: (program) => (locks(program) ? withLocks : ""),
  open: ({ concurrency, hire, size }) =>
    Effect.map(PlainPool.open({ spawn: hire, size, concurrency }), (pool) => {
      const options = { name: undefined, transfer: [], onReport: undefined, settings: pool.settings }
      return {
        hello: Effect.map(pool.execute(call({ _tag: "Hello" }), options), Number),
        run: (given, { name }) => pool.spawn(call({ _tag: "Run", given }), { ...options, name }),
        bystander: (word) =>
          // The function returns its problems.
          pool.spawn(call({ _tag: "Bystander", word }), options) as Effect.Effect<
            Thread.Thread<ReadonlyArray<string>, unknown>,
            never,
            Scope.Scope
          >
      }
    })
}
