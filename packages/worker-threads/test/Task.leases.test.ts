import { Task, WorkerError } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { type Kind, kinds } from "./fixtures/ready-leases.ts"
import { type Ground, makeGround } from "./fixtures/ready-resources.ts"
import { whenSet } from "./support.ts"

type Plain = typeof import("./fixtures/plain-leases.ts")
const url = new URL("./fixtures/plain-leases.ts", import.meta.url)

let ground: Ground
let pool: Task.TaskPool<Plain>
beforeEach(() => {
  ground = makeGround()
  pool = Task.createTaskPool<Plain>(url, { size: 1, concurrency: 3, leases: ground.permissions })
})
afterEach(async () => {
  await pool[Symbol.asyncDispose]()
  ground.remove()
})

type How = Task.Input<Plain>["how"]

const inputOf = (kind: Kind, how: How, payload: unknown = ground.payloads[kind]) => ({
  kind,
  how,
  payload,
  cells: makeCells(),
  root: ground.root
})

const begun = (cells: Int32Array<SharedArrayBuffer>): Promise<unknown> => Effect.runPromise(whenSet(cells, Cell.begun))

const names = (): ReadonlyArray<string> => readdirSync(ground.root).toSorted()

const outcomeOf = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error)

const outcomes = { return: "returned", throw: "RangeError: thrown", exit: "WorkerExited" }

describe("context.lease", () => {
  it.each(kinds)("is released for each way in which the call ends: %s", async (kind) => {
    for (const how of ["return", "throw", "exit"] as const) {
      const input = inputOf(kind, how)
      const outcome = await outcomeOf(pool.run(input))
      expect(WorkerError.isWorkerError(outcome) ? outcome.reason._tag : String(outcome)).toBe(outcomes[how])
      expect([how, Atomics.load(input.cells, Cell.begun), ground.isThere(kind, input.cells)]).toEqual([how, 1, false])
    }
    const input = inputOf(kind, "wait")
    const controller = new AbortController()
    const running = pool.run(input, { signal: controller.signal })
    await begun(input.cells)
    expect(ground.isThere(kind, input.cells)).toBe(true)
    controller.abort(new Error("enough"))
    await expect(running).rejects.toThrow("enough")
    expect(ground.isThere(kind, input.cells)).toBe(false)
    expect(names()).toEqual(["data.txt"])
  })

  // One call has leases of all kinds, because its loop uses a whole core until the worker is killed.
  it("of each kind is released when the call's worker is killed", async () => {
    const held = kinds.map((kind) => inputOf(kind, "spin"))
    const areThere = () => kinds.map((kind, index) => ground.isThere(kind, held[index]!.cells))
    const [input, ...others] = held
    const controller = new AbortController()
    const running = pool.run({ ...input!, others }, { signal: controller.signal })
    await begun(input!.cells)
    expect(areThere()).toEqual(kinds.map(() => true))
    controller.abort(new Error("enough"))
    await expect(running).rejects.toThrow("enough")
    expect(areThere()).toEqual(kinds.map(() => false))
    expect(names()).toEqual(["data.txt"])
  })

  it("is released when the code of the call is ended by force", async () => {
    const input = inputOf("temporaryFolder", "unwind")
    const controller = new AbortController()
    const running = pool.run(input, { signal: controller.signal })
    await begun(input.cells)
    controller.abort(new Error("enough"))
    await expect(running).rejects.toThrow("enough")
    expect(names()).toEqual(["data.txt"])
  })

  it.each(kinds)("is released if the function does not await it, and the worker survives: %s", async (kind) => {
    expect(await pool.run(inputOf(kind, "unawaited"))).toBe("returned")
    expect(await pool.run(inputOf(kind, "return"))).toBe("returned")
    expect(names()).toEqual(["data.txt"])
  })

  it("can be used, and can be disposed of twice", async () => {
    expect(await pool.run(inputOf("fileHandle", "use"))).toEqual(["data", { _tag: "Exited", code: 7 }])
    expect(await pool.run(inputOf("lockFile", "dispose"))).toBe(false)
    expect(names()).toEqual(["data.txt"])
  })

  it("with options that can't be sent fails, and its worker continues as before", async () => {
    expect(await pool.run(inputOf("temporaryFolder", "unsendable"))).toMatchObject({ name: "DataCloneError" })
    expect(await pool.run(inputOf("lockFile", "dispose"))).toBe(false)
  })

  it("is cancelled while it waits by an abort of the call, by its own signal, and by the end of the pool", async () => {
    const holder = inputOf("lockFile", "wait")
    const held = pool.run(holder)
    await begun(holder.cells)
    expect(await pool.run(inputOf("lockFile", "early abort"))).toEqual(["enough", "enough"])
    const controller = new AbortController()
    const waiter = inputOf("lockFile", "ask")
    const waiting = pool.run(waiter, { signal: controller.signal })
    await begun(waiter.cells)
    controller.abort(new Error("enough"))
    await expect(waiting).rejects.toThrow("enough")
    const last = inputOf("lockFile", "ask")
    const ended = Promise.allSettled([pool.run(last), held])
    await begun(last.cells)
    await pool[Symbol.asyncDispose]()
    expect((await ended).map(({ status }) => status)).toEqual(["rejected", "rejected"])
    expect(names()).toEqual(["data.txt"])
  })

  it("is cancelled by an abort if it waits and the function does not await it, and the worker survives", async () => {
    const holder = inputOf("lockFile", "wait")
    const controller = new AbortController()
    const held = pool.run(holder, { signal: controller.signal })
    await begun(holder.cells)
    const first = new AbortController()
    const forgetful = inputOf("lockFile", "forget")
    const waiting = pool.run(forgetful, { signal: first.signal })
    await begun(forgetful.cells)
    first.abort(new Error("enough"))
    await expect(waiting).rejects.toThrow("enough")
    expect(ground.isThere("lockFile", holder.cells)).toBe(true)
    controller.abort(new Error("the holder is still there"))
    await expect(held).rejects.toThrow("the holder is still there")
  })

  it("is refused without a permission, with an error that names the remedy", async () => {
    const path = join(ground.root, "..", "lock")
    const error = await outcomeOf(pool.run(inputOf("lockFile", "ask", { path })))
    expect(error).toMatchObject({
      name: "HostLeaseError",
      lease: "HostLeases.lockFile",
      reason: { _tag: "NotAllowed" },
      message: expect.stringContaining("add a root")
    })
    const holder = inputOf("lockFile", "wait")
    const controller = new AbortController()
    const held = outcomeOf(pool.run(holder, { signal: controller.signal }))
    await begun(holder.cells)
    const now = await outcomeOf(
      pool.run(inputOf("lockFile", "ask", { ...(ground.payloads.lockFile as object), wait: false }))
    )
    expect(now).toMatchObject({ name: "HostLeaseError", reason: { _tag: "LockFileHeld", pid: process.pid } })
    controller.abort()
    await held
  })

  it.each([7, null, undefined])(
    "is refused for a payload of a wrong shape, and the worker survives: %s",
    async (path) => {
      await expect(pool.run(inputOf("lockFile", "ask", { path }))).rejects.toMatchObject({
        reason: { _tag: "Refused" }
      })
      expect(await pool.run(inputOf("lockFile", "return"))).toBe("returned")
    }
  )

  it("is granted by `leases` of the call, in place of those of the pool", async () => {
    const error = await outcomeOf(pool.run(inputOf("lockFile", "ask"), { leases: {} }))
    expect(error).toMatchObject({ reason: { _tag: "NotAllowed" } })
    const input = inputOf("temporaryFolder", "ask")
    await expect(pool.run(input, { leases: { temporaryFolder: false } })).rejects.toMatchObject({
      reason: { _tag: "NotAllowed" }
    })
    const call = (leases?: Task.CallOptions["leases"]) =>
      outcomeOf(Task.runTask<Plain>(url, inputOf("fileHandle", "ask"), { leases }))
    expect(await call()).toMatchObject({ reason: { _tag: "NotAllowed" } })
    expect(await call({ fileHandle: { roots: [ground.root] } })).toBe("acquired")
  })

  it("refuses invalid permissions by name", async () => {
    const wrong = { lockFile: {} } as never
    const bad = Task.createTaskPool<Plain>(url, { size: 1, leases: wrong })
    await expect(bad.run(inputOf("lockFile", "ask"))).rejects.toThrow("leases.lockFile.roots")
    await expect(pool.run(inputOf("lockFile", "ask"), { leases: wrong })).rejects.toThrow("leases.lockFile.roots")
  })
})
