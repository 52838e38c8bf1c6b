/**
 * Test workers that call a plain function. The public functions can only abort a call, and the laws climb each rung, so the
 * pool is the one behind the public functions. Every other pool begins as a light one, whose workers it takes over.
 */
import type { Program } from "@quiesce/testing/laws/Program"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Worker, WorkerOptions } from "node:worker_threads"
import type * as Thread from "@quiesce/core/Thread"
import { LightPool } from "../../../worker-threads/src/internal/plainTask/host/lightPool.ts"
import * as PlainPool from "../../../worker-threads/src/internal/plainTask/host/plainPool.ts"
import { SpawnPlain } from "../../../worker-threads/src/internal/plainTask/host/spawnPlain.ts"
import type { Kind } from "../workers/TestPool.ts"
import { type Input, withLocks } from "./plainContract.ts"

const functions = new URL("./functions.ts", import.meta.url).href

const call = (input: Input) => ({ url: functions, input, reports: false })

const locks = (program: Program): boolean => JSON.stringify(program).includes('"Lock"')

const url = new URL("../../../worker-threads/src/internal/plainTask/task.worker.ts", import.meta.url)

type Hire = (options: WorkerOptions) => Worker

/** The workers of a light pool, each ready or still starting. Some of them have run a call. */
const startLight = async (hire: Hire, size: number, concurrency: number) => {
  const spawn = new (class extends SpawnPlain {
    override readonly spawn = hire
  })(url)
  const light = new LightPool(spawn, { min: size, max: size, concurrency }, () => {})
  light.start(size, functions)
  await light.run(functions, { _tag: "Hello" }, undefined)
  return light.handOver().map((worker) => ({ ...worker, adopt: () => {} }))
}

let opened = 0

export const plainPool: Kind = {
  url,
  extra: (program) => (locks(program) ? withLocks : ""),
  open: Effect.fnUntraced(function* ({ concurrency, hire, size }) {
    const isLight = opened++ % 2 === 1
    const started = isLight ? yield* Effect.promise(() => startLight(hire, size, concurrency)) : []
    const pool = yield* PlainPool.open({ spawn: hire, size, concurrency }, {}, { started })
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
