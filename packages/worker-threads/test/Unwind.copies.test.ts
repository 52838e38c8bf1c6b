/** A worker that has loaded a second copy of core or of Effect: a step of that copy is not ended, but the worker. */
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import { Thread } from "@quiesce/core"
import { type WorkerError, WorkerPool } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { withBundle } from "./fixtures/bundle.ts"
import { Hogs } from "./fixtures/copies-contract.ts"
import { whenSet } from "./support.ts"

const url = new URL("./fixtures/copies.worker.ts", import.meta.url)
const installed = ["effect", "@quiesce/core", "@quiesce/worker-threads"]

const makePool = (url: URL) => WorkerPool.make(Hogs, { spawn: (options) => new Worker(url, options), size: 1 })

const endedWithin = Effect.fnUntraced(function* (pool: WorkerPool.Of<typeof Hogs>, inCore: boolean, millis: number) {
  const begun = new Int32Array(new SharedArrayBuffer(4))
  const thread = yield* pool.spawn("Hog", { begun, inCore })
  yield* whenSet(begun, 0)
  const { attempts, rung } = yield* Thread.shutdown(thread, {
    escalation: { interrupt: "20 millis", unwind: millis, kill: "1 minute" }
  })
  const attempt = attempts.find((attempt) => attempt.rung === "unwind")
  return { rung, why: attempt !== undefined && "why" in attempt ? attempt.why : null }
})

/** The limit on all trials of a thread, in milliseconds. It is below the limit for a test that hangs. */
const patience = 120_000

/**
 * A search for a step that may be ended takes longer than a second on a machine under load, and the engine answers late. So
 * a thread that was killed before the search had a result is tried again, on the next worker.
 */
const ended = Effect.fnUntraced(function* (
  pool: WorkerPool.Of<typeof Hogs>,
  inCore: boolean,
  prepare: Effect.Effect<unknown, WorkerError.WorkerError> = Effect.void
) {
  const end = performance.now() + patience
  for (let millis = 1_000; ; millis = 4_000) {
    yield* prepare
    const result = yield* endedWithin(pool, inCore, millis)
    const isTooEarly = result.why === null || result.why.startsWith("the engine did not answer in time")
    if (result.rung !== "kill" || !isTooEarly || performance.now() > end) return result
  }
})

describe("a worker whose bundle has inside of it", () => {
  it("nothing of Effect and the toolkit: only a step of core is not ended", () =>
    withBundle(
      url,
      (bundle) =>
        Effect.gen(function* () {
          const pool = yield* makePool(bundle)
          expect(pool.capabilities.unwind).toEqual({ _tag: "SectionsAndOtherCode" })
          expect(yield* ended(pool, false)).toEqual({ rung: "unwind", why: null })
          expect(yield* ended(pool, true)).toMatchObject({ rung: "kill", why: expect.stringContaining("go on") })
        }).pipe(Effect.scoped, Effect.runPromise),
      { installed, external: installed }
    ))

  it.each([
    ["core", ["effect", "@quiesce/worker-threads"]],
    ["core and Effect", ["@quiesce/worker-threads"]]
  ])("%s: no code outside sections is ended", (_, external) =>
    withBundle(
      url,
      (bundle) =>
        Effect.gen(function* () {
          const pool = yield* makePool(bundle)
          const why = expect.stringContaining("two copies of @quiesce/core are loaded")
          expect(pool.capabilities.unwind).toEqual({ _tag: "SectionsOnly", why })
          expect(yield* ended(pool, true)).toEqual({ rung: "kill", why })
        }).pipe(Effect.scoped, Effect.runPromise),
      { installed, external }
    )
  )

  it("Effect: no step of the copy is ended", () =>
    withBundle(
      url,
      (bundle) =>
        Effect.gen(function* () {
          const pool = yield* makePool(bundle)
          const why = expect.stringContaining("another copy of effect")
          expect(yield* ended(pool, false)).toEqual({ rung: "kill", why })
          expect(yield* ended(pool, true)).toMatchObject({ rung: "kill", why: expect.any(String) })
        }).pipe(Effect.scoped, Effect.runPromise),
      { installed, external: ["@quiesce/core", "@quiesce/worker-threads"] }
    ))
})

it("a worker whose task loads another copy of core: no code outside sections is ended from then on", () => {
  const folder = mkdtempSync(join(tmpdir(), "quiesce-"))
  const core = fileURLToPath(new URL("../../core/", import.meta.url))
  cpSync(join(core, "src"), join(folder, "src"), { recursive: true })
  symlinkSync(join(core, "node_modules"), join(folder, "node_modules"), "junction")
  return Effect.gen(function* () {
    const pool = yield* makePool(url)
    expect(pool.capabilities.unwind).toEqual({ _tag: "SectionsAndOtherCode" })
    const load = pool.execute("Load", { url: pathToFileURL(join(folder, "src/index.ts")).href })
    const why = expect.stringContaining("two copies of @quiesce/core are loaded")
    expect(yield* ended(pool, false, load)).toEqual({ rung: "kill", why })
  }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true }))), Effect.runPromise)
})
