import { type Escalation, Lease, Thread } from "@quiesce/core"
import { HostLeases, WorkerPool } from "@quiesce/worker-threads"
import { Cause, Effect, Exit } from "effect"
import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync, closeSync } from "node:fs"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { type Kind, kinds, Tasks } from "./fixtures/ready-leases.ts"
import { type Ground, isGroupThere, makeGround } from "./fixtures/ready-resources.ts"
import { whenSet } from "./support.ts"

const url = new URL("./fixtures/ready-leases.worker.ts", import.meta.url)

const makePool = (permissions: HostLeases.Permissions, concurrency = 1) =>
  WorkerPool.make(Tasks, {
    spawn: (options) => new Worker(url, options),
    size: 1,
    concurrency,
    hostLeases: HostLeases.handlers(permissions)
  })

type Pool = Effect.Success<ReturnType<typeof makePool>>

let ground: Ground
beforeEach(() => {
  ground = makeGround()
})
afterEach(() => ground.remove())

const withPool = (
  f: (pool: Pool) => Effect.Effect<void, unknown>,
  permissions: HostLeases.Permissions = ground.permissions
): Promise<void> => Effect.runPromise(Effect.scoped(Effect.flatMap(makePool(permissions), f)))

const requestOf = (kind: Kind) => ({ kind, payload: ground.payloads[kind] })

const names = (): ReadonlyArray<string> => readdirSync(ground.root).toSorted()

/** Ends a task that holds the leases, and returns its report and its counts. */
const endHeld = (
  pool: Pool,
  requests: ReadonlyArray<ReturnType<typeof requestOf>>,
  how: "wait" | "spin" | "hog",
  meanwhile: (cells: Int32Array<SharedArrayBuffer>) => void = () => {}
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const cells = makeCells()
      const thread = yield* pool.spawn("Hold", { requests, how, cells })
      yield* whenSet(cells, Cell.begun)
      expect(requests.map(({ kind }) => ground.isThere(kind, cells))).toEqual(requests.map(() => true))
      meanwhile(cells)
      const escalation: Escalation.Escalation =
        how === "spin" ? { interrupt: 0, kill: "20 seconds" } : { interrupt: "1 second", unwind: "20 seconds" }
      const report = yield* Thread.shutdown(thread, { escalation })
      return { report, cells, tally: yield* Lease.tally(thread) }
    })
  )

const askExit = (pool: Pool, args: ReadonlyArray<string>) => pool.execute("Exit", { command: "sh", args })

describe("HostLeases", () => {
  it("are released for each way in which the task ends", () =>
    withPool((pool) =>
      Effect.gen(function* () {
        for (const kind of kinds) {
          for (const how of ["succeed", "fail", "exit"] as const) {
            const cells = makeCells()
            const exit = yield* Effect.exit(pool.execute("Hold", { requests: [requestOf(kind)], how, cells }))
            expect([kind, how, Exit.isSuccess(exit)]).toEqual([kind, how, how === "succeed"])
            expect([kind, how, ground.isThere(kind, cells)]).toEqual([kind, how, false])
          }
          for (const how of ["wait", "hog", "spin"] as const) {
            const { cells, report, tally } = yield* endHeld(pool, [requestOf(kind)], how)
            expect([kind, how, report.rung]).toEqual([kind, how, how === "spin" ? "kill" : "interrupt"])
            expect(report).toMatchObject({ released: [{ lease: `HostLeases.${kind}` }], failed: [], lost: [] })
            expect(tally).toMatchObject({ acquired: 1, released: 1, lost: 0 })
            expect([kind, how, ground.isThere(kind, cells)]).toEqual([kind, how, false])
          }
        }
        expect(names()).toEqual(["data.txt"])
      })
    ))

  it("are released the newest first", () =>
    withPool((pool) =>
      Effect.gen(function* () {
        const { report } = yield* endHeld(pool, [requestOf("temporaryFolder"), requestOf("lockFile")], "spin")
        expect(report.released.map(({ lease }) => lease)).toEqual(["HostLeases.lockFile", "HostLeases.temporaryFolder"])
      })
    ))

  it("are not kept if the pool closes or the caller cancels during the wait for a lock", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const waiting = yield* Effect.scoped(
          Effect.gen(function* () {
            const pool = yield* makePool(ground.permissions, 3)
            const cells = makeCells()
            yield* pool.spawn("Hold", { requests: [requestOf("lockFile")], how: "wait", cells })
            yield* whenSet(cells, Cell.begun)
            const second = yield* pool.spawn("Ask", { request: requestOf("lockFile") })
            const third = yield* pool.spawn("Ask", { request: requestOf("lockFile") })
            // The cancel may come at any time. After a pause it comes during the wait.
            yield* Effect.sleep("50 millis")
            yield* Thread.interrupt(second)
            expect(Exit.isFailure(yield* Thread.await(second))).toBe(true)
            expect(names()).toEqual(["data.txt", "lock"])
            return third
          })
        )
        expect(Exit.isFailure(yield* Thread.await(waiting))).toBe(true)
        expect(names()).toEqual(["data.txt"])
      })
    ))

  it("refuse requests that the host does not allow, and start nothing", () =>
    withPool((pool) =>
      Effect.gen(function* () {
        const outside = makeGround()
        symlinkSync(outside.root, join(ground.root, "way-out"))
        symlinkSync(join(outside.root, "data.txt"), join(ground.root, "file-out"))
        symlinkSync(join(outside.root, "new.txt"), join(ground.root, "dangling"))
        const refused: ReadonlyArray<readonly [Kind, unknown, string]> = [
          ["temporaryFolder", { prefix: "../out-" }, "NotAllowed"],
          ["temporaryFolder", { prefix: "x\0y" }, "NotAllowed"],
          ["lockFile", { path: join(outside.root, "lock") }, "NotAllowed"],
          ["lockFile", { path: join(ground.root, "..", "lock") }, "NotAllowed"],
          ["lockFile", { path: join(ground.root, "way-out", "lock") }, "NotAllowed"],
          ["lockFile", { path: join(ground.root, "data.txt") }, "NotALockFile"],
          ["lockFile", { path: join(ground.root, "way-out") }, "NotALockFile"],
          ["lockFile", { path: join(ground.root, "none", "lock") }, "SystemError"],
          ["lockFile", { path: "/" }, "NotAllowed"],
          ["childProcess", { command: "node" }, "NotAllowed"],
          ["childProcess", { command: "/bin/sh" }, "NotAllowed"],
          ["childProcess", { command: "sh", cwd: join(ground.root, "none") }, "SystemError"],
          ["childProcess", { command: "sh", args: ["\0"] }, "SystemError"],
          ["fileHandle", { path: join(outside.root, "data.txt") }, "NotAllowed"],
          ["fileHandle", { path: join(ground.root, "way-out", "data.txt") }, "NotAllowed"],
          ["fileHandle", { path: join(ground.root, "file-out"), flags: "w" }, "NotAllowed"],
          ["fileHandle", { path: join(ground.root, "dangling"), flags: "w" }, "SystemError"],
          ["fileHandle", { path: ground.root }, "NotAllowed"],
          ["fileHandle", { path: join(ground.root, "none") }, "SystemError"],
          ["fileHandle", { path: join(ground.root, "data.txt"), flags: "wx" }, "SystemError"]
        ]
        for (const [kind, payload, tag] of refused) {
          const error = yield* Effect.flip(pool.execute("Ask", { request: { kind, payload } }))
          expect([kind, payload, error]).toMatchObject([
            kind,
            payload,
            { _tag: "HostLeaseError", lease: `HostLeases.${kind}`, reason: { _tag: tag } }
          ])
        }
        expect(readdirSync(outside.root)).toEqual(["data.txt"])
        expect(names()).toEqual(["dangling", "data.txt", "file-out", "way-out"])
        outside.remove()
      })
    ))

  it("refuse everything but temporary folders without a permission", () =>
    withPool(
      (pool) =>
        Effect.gen(function* () {
          for (const kind of ["lockFile", "childProcess", "fileHandle"] as const) {
            const error = yield* Effect.flip(pool.execute("Ask", { request: requestOf(kind) }))
            expect(error).toMatchObject({ reason: { _tag: "NotAllowed" }, message: expect.stringContaining(kind) })
          }
          yield* pool.execute("Ask", { request: requestOf("temporaryFolder") })
          expect(names()).toEqual(["data.txt"])
        }),
      { temporaryFolder: { root: ground.root } }
    ))

  it("accept a function that decides about commands", () =>
    withPool(
      (pool) =>
        Effect.gen(function* () {
          expect(yield* askExit(pool, ["-c", "exit 7"])).toEqual({ _tag: "Exited", code: 7 })
          expect(yield* askExit(pool, ["-c", "kill -KILL $$"])).toEqual({ _tag: "Signaled", signal: "SIGKILL" })
          const exit = yield* Effect.exit(askExit(pool, ["-c", "exit 8"]))
          expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("childProcess.commands")
        }),
      { childProcess: { commands: ({ args }) => args[1] !== "exit 8" } }
    ))

  it("throw for invalid permissions", () => {
    const wrong: ReadonlyArray<readonly [unknown, string]> = [
      [null, "leases"],
      [{ lockFiles: { roots: [] } }, "leases.lockFiles"],
      [{ lockFile: {} }, "leases.lockFile.roots"],
      [{ fileHandle: { roots: "/tmp" } }, "leases.fileHandle.roots"],
      [{ childProcess: { commands: [5] } }, "leases.childProcess.commands"],
      [{ childProcess: { commands: [], grace: "soon" } }, "leases.childProcess.grace"],
      [{ temporaryFolder: true }, "leases.temporaryFolder"]
    ]
    for (const [permissions, option] of wrong) {
      expect(() => HostLeases.handlers(permissions as HostLeases.Permissions)).toThrow(option)
    }
  })

  it("answer hostile requests without harm to other tasks", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const pool = yield* makePool(ground.permissions, 2)
          const cells = makeCells()
          const held = yield* pool.spawn("Hold", { requests: [requestOf("lockFile")], how: "wait", cells })
          yield* whenSet(cells, Cell.begun)
          const messages = Array.from({ length: 300 }, (_, id) => [
            { _tag: "Release", id: id + 1000, lease: 1, exit: { _tag: "Success", value: undefined } },
            { _tag: "Acquire", id: id + 1000, lease: 2, name: "HostLeases.temporaryFolder", payload: {} }
          ]).flat()
          yield* pool.execute("Forge", { messages })
          expect(ground.isThere("lockFile", cells)).toBe(true)
          expect(names()).toEqual(["data.txt", "lock"])
          // Payloads of a wrong shape.
          for (const payload of [null, 7, "x", {}, { path: 7 }, { path: ["x"] }]) {
            const exit = yield* Effect.exit(pool.execute("Ask", { request: { kind: "fileHandle", payload } }))
            expect(Exit.isFailure(exit)).toBe(true)
          }
          yield* Thread.interrupt(held)
          yield* Thread.await(held)
        })
      )
    ))
})

const failed = (kind: Kind, meanwhile: (cells: Int32Array<SharedArrayBuffer>) => void, says: string) =>
  withPool((pool) =>
    Effect.gen(function* () {
      const { report } = yield* endHeld(pool, [requestOf(kind)], "spin", meanwhile)
      expect(report).toMatchObject({ failed: [{ lease: `HostLeases.${kind}` }], released: [], lost: [] })
      expect(JSON.stringify(report.failed)).toContain(says)
    })
  )

describe("a failed release", () => {
  it("of a folder keeps another folder in its place", async () => {
    await failed(
      "temporaryFolder",
      () => {
        const name = names().find((name) => name.startsWith("folder-"))!
        renameSync(join(ground.root, name), join(ground.root, "moved"))
        mkdirSync(join(ground.root, name))
        writeFileSync(join(ground.root, name, "precious"), "")
      },
      "is another folder now"
    )
    expect(names()).toHaveLength(3)
  })

  it("of a lock file keeps the file of another owner", () =>
    failed(
      "lockFile",
      () => {
        const path = join(ground.root, "lock")
        renameSync(path, `${path}.old`)
      },
      "was removed while it was held"
    ))

  it("of a file handle keeps another file with the same number open", () =>
    failed("fileHandle", (cells) => closeSync(Atomics.load(cells, Cell.cleanedUp)), "was closed by other code"))
})

describe("a child process", () => {
  it("that ignores SIGTERM is killed after the grace, with its group", () =>
    withPool(
      (pool) =>
        Effect.gen(function* () {
          const args = ["-c", "trap '' TERM; sleep 1000 & while :; do sleep 1000; done"]
          const request = { kind: "childProcess" as const, payload: { command: "sh", args } }
          const { cells, report } = yield* endHeld(pool, [request], "wait")
          expect(report.released).toMatchObject([{ lease: "HostLeases.childProcess" }])
          expect(isGroupThere(Atomics.load(cells, Cell.cleanedUp))).toBe(false)
        }),
      { childProcess: { commands: ["sh"], grace: "50 millis" } }
    ))

  it("that has already exited leaves no process of its group behind", () =>
    withPool((pool) =>
      Effect.gen(function* () {
        const cells = makeCells()
        const request = { kind: "childProcess" as const, payload: { command: "sh", args: ["-c", "sleep 1000 &"] } }
        yield* pool.execute("Hold", { requests: [request], how: "succeed", cells })
        expect(isGroupThere(Atomics.load(cells, Cell.cleanedUp))).toBe(false)
      })
    ))
})
