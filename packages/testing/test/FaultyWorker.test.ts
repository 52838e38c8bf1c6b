import { FaultyWorker, Leaks } from "@quiesce/testing"
import { Effect } from "effect"
import { once } from "node:events"
import { MessageChannel, receiveMessageOnPort, type Worker } from "node:worker_threads"
import { expect, it } from "vitest"

/** The error and the exit code with which a worker ends. */
const endOf = (worker: Worker): Effect.Effect<{ readonly error: string | undefined; readonly code: number }> =>
  Effect.callback((resume) => {
    let error: string | undefined
    worker.once("error", (cause: Error & { readonly code?: string }) => {
      error = cause.code ?? cause.message
    })
    worker.once("exit", (code) => resume(Effect.succeed({ error, code })))
  })

/** Runs a test in a scope of its own, and checks that the test leaves nothing behind. */
const run = <A>(effect: Effect.Effect<A, never, never>): Promise<A> =>
  Effect.runPromise(Leaks.none(effect, { within: "30 seconds" }))

it.each([
  ["throws", { error: "This worker throws while it loads, as it should", code: 1 }],
  ["crash", { error: "This worker crashes, as it should", code: 1 }],
  ["rejection", { error: "This worker leaves a rejection unhandled, as it should", code: 1 }],
  ["exit", { error: undefined, code: 3 }],
  ["out-of-memory", { error: "ERR_WORKER_OUT_OF_MEMORY", code: 1 }]
] as const)("%s ends by itself", async (fault, end) => {
  expect(await run(Effect.scoped(Effect.flatMap(FaultyWorker.spawn(fault), endOf)))).toEqual(end)
})

it.each(["never-ready", "garbage", "hog", "deaf"] as const)("%s runs until its scope closes", async (fault) => {
  let worker: Worker | undefined
  await run(
    Effect.scoped(
      Effect.gen(function* () {
        worker = yield* FaultyWorker.spawn(fault)
        yield* Effect.promise(() => once(worker!, "online"))
        expect(worker.threadId).toBeGreaterThan(0)
      })
    )
  )

  expect(worker?.threadId).toBe(-1)
})

it.each([{}, { maxOldGenerationSizeMb: 16 }])(
  "out-of-memory refuses to fill a heap of the default size, also if only the old generation is small",
  async (resourceLimits) => {
    const end = await run(Effect.scoped(Effect.flatMap(FaultyWorker.spawn("out-of-memory", { resourceLimits }), endOf)))

    expect(end.error).toContain("Start it with a small one")
  }
)

it("garbage arrives from the worker, and through each port that the worker was given", async () => {
  const received = await run(
    Effect.scoped(
      Effect.gen(function* () {
        const { port1, port2 } = new MessageChannel()
        const worker = yield* FaultyWorker.spawn("garbage", { workerData: { its: [port2] }, transferList: [port2] })
        const fromWorker: unknown = yield* Effect.promise(() => once(worker, "message"))
        const first: unknown = yield* Effect.promise(() => once(port1, "message"))
        port1.close()
        return [fromWorker, first]
      })
    )
  )

  expect(received).toEqual([[undefined], [undefined]])
})

it("deaf answers no message, neither on its own port nor on a given port", async () => {
  const answers = await run(
    Effect.scoped(
      Effect.gen(function* () {
        const { port1, port2 } = new MessageChannel()
        const worker = yield* FaultyWorker.spawn("deaf", { workerData: [port2], transferList: [port2] })
        const answers: Array<unknown> = []
        worker.on("message", (answer) => answers.push(answer))
        yield* Effect.promise(() => once(worker, "online"))
        port1.postMessage("Is anybody there?")
        worker.postMessage("Is anybody there?")
        yield* Effect.promise(() => worker.terminate())
        answers.push(receiveMessageOnPort(port1))
        port1.close()
        return answers
      })
    )
  )

  expect(answers).toEqual([undefined])
})

it("each fault has a module", () => {
  expect(FaultyWorker.faults.map((fault) => FaultyWorker.url(fault).pathname.split("/").at(-1))).toEqual(
    FaultyWorker.faults.map((fault) => `${fault}.worker.ts`)
  )
})

it("FaultyWorker.url refuses an unknown fault, and lists the known faults", () => {
  // A user without types could pass such a value.
  expect(() => FaultyWorker.url("crsh" as FaultyWorker.Fault)).toThrow('"crsh" is no fault; there are throws,')
})
