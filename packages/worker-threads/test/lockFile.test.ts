/** The lock files of the hosts, with processes that die as owners of a lock. */
import { spawn } from "node:child_process"
import { linkSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { acquire } from "../src/internal/leases/ready/lockFile.ts"
import * as LockOwner from "../src/internal/leases/ready/lockOwner.ts"

let root: string
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "quiesce-lock-")))
})
afterEach(() => rmSync(root, { recursive: true }))

const contender = fileURLToPath(new URL("./fixtures/lock-contender.ts", import.meta.url))

/** Completes with the end of a process. */
const contend = (rounds: number, end: "leave" | "die"): Promise<unknown> =>
  new Promise((resolve) =>
    spawn(process.execPath, [contender, root, String(rounds), end], { stdio: ["ignore", "inherit", "inherit"] }).once(
      "exit",
      (code, signal) => resolve(signal ?? code)
    )
  )

const path = () => join(root, "lock")
const take = (wait = true) => Effect.runPromise(Effect.scoped(acquire([root], { path: path(), wait })))
const write = (owner: Partial<LockOwner.Owner>): LockOwner.Owner => {
  const whole = { ...LockOwner.newOwner(), ...owner }
  writeFileSync(path(), LockOwner.encode(whole))
  return whole
}

describe("a lock file", () => {
  it("is held by one process at a time, and passes on once for each owner that has died", async () => {
    const ends = ["leave", "die", "die", "leave", "die", "leave", "die", "die"] as const
    const exits = await Promise.all(ends.map((end) => contend(12, end)))
    expect(exits).toEqual(ends.map((end) => (end === "die" ? "SIGKILL" : 0)))
    const { ownerDied } = await take()
    const deaths = readdirSync(root).includes("deaths") ? readFileSync(join(root, "deaths"), "utf8").length : 0
    expect(deaths + (ownerDied ? 1 : 0)).toBe(5)
    expect(readdirSync(root).filter((name) => name !== "deaths")).toEqual([])
  })

  it("is held by one fiber at a time", async () => {
    let inside = 0
    const once = Effect.scoped(
      Effect.gen(function* () {
        yield* acquire([root], { path: path() })
        expect(++inside).toBe(1)
        yield* Effect.yieldNow
        inside--
      })
    )
    await Effect.runPromise(
      Effect.all(
        Array.from({ length: 20 }, () => once),
        { concurrency: "unbounded" }
      )
    )
    expect(readdirSync(root)).toEqual([])
  })

  it("names the owner in the error of a request that does not wait", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          yield* acquire([root], { path: path() })
          const error = yield* Effect.flip(acquire([root], { path: path(), wait: false }))
          expect(error.reason).toMatchObject({ _tag: "LockFileHeld", pid: process.pid })
          // The failed request of the same process leaves the lock as it is.
          expect(readdirSync(root)).toEqual(["lock"])
        })
      )
    ))

  // Only Linux reports when a process has started.
  it.skipIf(process.platform !== "linux").each([
    ["whose number another process has by now", { started: "1" }],
    ["of an earlier run of the machine", { boot: "another", pid: 1 }]
  ])("of a process %s is stale", async (_, owner) => {
    write(owner)
    expect(await take(false)).toMatchObject({ ownerDied: true })
    expect(readdirSync(root)).toEqual([])
  })

  it.each([
    ["on another machine", { host: "another", pid: 2 ** 31 - 1 }],
    ["that runs", { started: null }]
  ])("of a process %s is held", async (_, owner) => {
    const { pid } = write(owner)
    await expect(take(false)).rejects.toMatchObject({ reason: { _tag: "LockFileHeld", pid } })
  })

  it("passes on although a process that was taking it over has died on the way", async () => {
    const dead = write({ pid: 2 ** 31 - 1 })
    // The claim of the dead owner, and a claim on that claim.
    const claim = `${path()}.${dead.token}`
    const second = { ...LockOwner.newOwner(), pid: 2 ** 31 - 1 }
    writeFileSync(claim, LockOwner.encode(second))
    linkSync(claim, `${claim}.${second.token}`)
    expect(await take(false)).toMatchObject({ ownerDied: true })
    expect(readdirSync(root)).toEqual([])
  })

  it.each([
    "",
    "{",
    '{"lockFile":1,"pid":1}',
    JSON.stringify({ ...LockOwner.newOwner(), lockFile: 1, token: "../../x" })
  ])("is no file of another kind: %s", async (text) => {
    writeFileSync(path(), text)
    await expect(take()).rejects.toMatchObject({ reason: { _tag: "NotALockFile" } })
    expect(readFileSync(path(), "utf8")).toBe(text)
  })
})
