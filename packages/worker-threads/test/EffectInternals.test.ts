import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { RpcProtocol } from "@quiesce/worker-threads"
import { Effect, Exit, Fiber } from "effect"
import { RpcClient } from "effect/rpc"
import { Worker } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import * as SelfCheck from "../src/internal/unwind/worker/selfCheck.ts"
import { argvFor, brokenWorker, type Part } from "./fixtures/broken-effect.ts"
import { look } from "./fixtures/capabilities.ts"
import { cell, Jobs, makeCells } from "./fixtures/rpc-contract.ts"
import { Harness } from "./fixtures/unwind-harness.ts"
import { whenSet } from "./support.ts"
import { noOlderNode, olderNode } from "./olderNode.ts"

const unknown = (part: string): string => `this version of Effect is not known here: ${part}`

/**
 * The observations of a pool whose worker has a version of Effect with one changed private part. The pool can end
 * sections, and no other code.
 */
const sectionsOnly = (why: string): unknown => ({
  unwind: { _tag: "SectionsOnly", why },
  section: { rung: "unwind", why: null },
  otherCode: { rung: "kill", why },
  sum: 3
})

const nothing = (why: string): unknown => ({
  unwind: { _tag: "None", why },
  section: { rung: "kill", why },
  otherCode: { rung: "kill", why },
  sum: 3
})

const cases: ReadonlyArray<readonly [part: Part, expected: unknown]> = [
  ["interruptible", nothing(unknown("the mask of a fiber"))],
  ["_running", sectionsOnly(unknown("the fiber that runs"))],
  ["currentFiber", sectionsOnly(unknown("the fiber that runs"))],
  ["_yielded", sectionsOnly(unknown("the resumption of a fiber"))],
  ["_interruptedCause", sectionsOnly(unknown("the resumption of a fiber"))],
  ["_deferredInterrupt", sectionsOnly(unknown("the resumption of a fiber"))],
  ["evaluate", sectionsOnly(unknown("the resumption of a fiber"))],
  ["runLoop", sectionsOnly(unknown("the frames of a fiber"))],
  ["go", sectionsOnly(unknown("the frames of a fiber"))],
  ["runInAsyncScope", sectionsOnly(unknown("the frames of a fiber"))]
]

const onOtherServer = (options: object): Worker =>
  new Worker(brokenWorker, { ...options, argv: argvFor("handlerFiber", "rpc.worker.ts") })

describe("a changed private part of Effect", () => {
  it.for(cases)(
    "%s: the pool falls back to the safe way, and the pool and the report give the reason",
    async ([part, expected]) => {
      // A section that can't be ended loops for its whole grace.
      const section = part === "interruptible" ? "100 millis" : "1 minute"
      const argv = argvFor(part, "tasks.worker.ts")
      expect(await Effect.runPromise(look(brokenWorker, "100 millis", argv, section))).toMatchObject(expected as object)
    }
  )

  it.for([
    ["asyncContext", false],
    ["fibers", true]
  ] as const)("%s, a local variable: code in the step with the variable is not ended", async ([part, among]) => {
    await using harness = await Harness.open(brokenWorker, argvFor(part, "unwind-worker.ts"))
    const id = await harness.started({ hog: "gated", inSection: false, among })
    expect(await harness.unwindFiber(id)).toEqual({
      _tag: "Refused",
      why: unknown("the locals of its functions"),
      stack: expect.stringContaining("    at ")
    })
    harness.openGate(id)
    await harness.answer("Ended", id)
  })

  it("the local variable fibers: code in a concurrent forEach is ended", async () => {
    await using harness = await Harness.open()
    const id = await harness.started({ inSection: false, among: true })
    expect(await harness.unwindFiber(id)).toEqual({ _tag: "Unwound", stack: expect.stringContaining("    at ") })
    expect(await harness.answer("Ended", id)).toMatchObject({ reason: "host", order: ["inner", "outer"] })
  })

  it("the fiber of a handler: code outside sections is not ended", () => {
    const why = unknown("the fiber in which RpcServer runs a handler")
    const { problem, unwind } = SelfCheck.run(why)
    expect(unwind).toEqual({ _tag: "SectionsOnly", why })
    expect(problem).toContain("a handler of RpcServer begins inside the server's own fiber")
  })

  it("the fiber of a handler: an RPC handler starts as in Effect, and is interrupted with its finalizers", () => {
    return Effect.gen(function* () {
      const client = yield* RpcClient.make(Jobs)
      const cells = makeCells()
      const call = yield* Effect.forkChild(client.Wait({ cells }), { startImmediately: true })
      yield* whenSet(cells, cell.begun)
      Atomics.store(cells, cell.mayRelease, 1)
      Atomics.notify(cells, cell.mayRelease)
      yield* Fiber.interrupt(call)
      expect(Atomics.load(cells, cell.released)).toBe(1)
      expect(Exit.hasInterrupts(yield* Fiber.await(call))).toBe(true)
    }).pipe(
      Effect.scoped,
      Effect.provide(RpcProtocol.layerClient({ spawn: onOtherServer, size: 1 })),
      Effect.runPromise
    )
  })
})

const main = fileURLToPath(new URL("./fixtures/broken-effect-main.ts", import.meta.url))

describe("the warning about Effect", () => {
  it.for(["this Node", "node-22", "node-24"])("is logged once in a process, for %s", async (version, { skip }) => {
    const binary = version === "this Node" ? process.execPath : olderNode(version)
    if (binary === undefined) return skip(noOlderNode)
    const { stdout } = await promisify(execFile)(binary, [main, "_yielded", "_yielded"])
    const expected = sectionsOnly(unknown("the resumption of a fiber")) as object
    const warning = `In a worker, ${unknown("the resumption of a fiber")}. Without it busy code outside Blocking.interruptible is not unwound but killed; a fiber that is woken runs inside the code that wakes it.`
    expect(JSON.parse(stdout)).toMatchObject([
      { ...expected, warnings: [warning] },
      { ...expected, warnings: [] }
    ])
  })

  it("names each private part that is missing", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [main, "runLoop", "interruptible"])
    const [frames, masks] = JSON.parse(stdout)
    expect(frames.warnings).toEqual([expect.stringContaining("the frames of a fiber")])
    expect(masks.warnings).toEqual([expect.stringContaining("the mask of a fiber")])
    expect(masks.warnings[0]).toMatch(/ is not known here: .*, and .* is not known here: .*Without them no busy code/)
  })
})
