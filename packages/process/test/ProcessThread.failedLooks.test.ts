/** Looks at the processes of the machine fail, because this process has no file descriptor left for a moment. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import type * as Files from "node:fs/promises"
import { Thread } from "@quiesce/core"
import { ProcessThread } from "@quiesce/process"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import { beforeEach, expect, it, vi } from "vitest"
import * as Table from "../src/internal/child/processTable.ts"
import * as Snapshot from "../src/internal/child/snapshot.ts"
import { printed, run, shell } from "./processSupport.ts"

/** The number of calls that fail next. */
const failing = vi.hoisted(() => ({ readdir: 0, stat: 0 }))
const fail = vi.hoisted(() => () => Promise.reject(Object.assign(new Error("too many open files"), { code: "EMFILE" })))
beforeEach(() => Object.assign(failing, { readdir: 0, stat: 0 }))

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof Files>()
  return {
    ...real,
    readdir: (path: string) => (failing.readdir-- > 0 ? fail() : real.readdir(path)),
    readFile: (path: string, encoding: "latin1") =>
      path.endsWith("/stat") && failing.stat-- > 0 ? fail() : real.readFile(path, encoding)
  }
})

it.skipIf(!Table.isShown)("failed looks are answered, and the next look is a new one", async () => {
  // A look leaves out the processes that are older than this one, and there may be no younger process.
  const younger = spawn("sleep", ["60"])
  await once(younger, "spawn")
  failing.readdir = 2
  const looks = await Promise.all([Snapshot.take(), Snapshot.take(), Snapshot.take()])
  const next = await Snapshot.take()
  younger.kill("SIGKILL")

  expect(looks.map(({ hasFailed, isSure }) => ({ hasFailed, isSure }))).toStrictEqual(
    Array.from(looks, () => ({ hasFailed: true, isSure: false }))
  )
  expect(next.hasFailed).toBe(false)
  expect(next.seen.map(({ process: { pid } }) => pid)).toContain(younger.pid)
})

it.skipIf(!Table.isShown)("failed looks do not count as looks without processes", async () => {
  failing.stat = 1

  expect(await Snapshot.take()).toMatchObject({ hasFailed: true, isSure: false })
})

it.skipIf(!Table.isShown).each(["readdir", "stat"] as const)(
  "failed looks do not block a join, and the descendants are found later: %s",
  async (call) => {
    const tree = shell("setsid sh -c 'while :; do sleep 1; done' & exit 0")
    failing[call] = 2

    const exit = await run(Effect.flatMap(ProcessThread.spawn(tree.command, { drainWithin: 20 }), Thread.join))

    expect(exit).toStrictEqual({ _tag: "Exited", code: 0 })
    expect(failing[call]).toBeLessThanOrEqual(0)
    expect(tree.left()).toStrictEqual([])
  }
)

it.skipIf(!Table.isShown).each(["readdir", "stat"] as const)(
  "failed looks do not delay a kill, nor the signals before it: %s",
  async (call) => {
    const tree = shell("trap '' TERM; setsid sh -c 'while :; do sleep 1; done' & echo ready; while :; do sleep 1; done")

    const report = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(tree.command)
        yield* printed(thread)
        failing[call] = 5
        return yield* Thread.shutdown(thread, { escalation: { interrupt: 1, kill: "1 minute" } })
      })
    )

    expect(report.ending._tag).toBe("Killed")
    expect(failing[call]).toBeLessThanOrEqual(0)
    expect(tree.left()).toStrictEqual([])
  }
)

it.skipIf(!Table.isShown)("a command that can't be started needs no look", async () => {
  failing.readdir = 1

  await run(Effect.flip(ProcessThread.spawn(ChildProcess.make("quiesce-no-such-program"))))

  expect(failing.readdir).toBe(1)
})
