/** Bad input. Each case ends with an error that names the problem and the remedy, and no process is left running. */
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ProcessError, ProcessThread } from "@quiesce/process"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ChildProcess from "effect/process/ChildProcess"
import { afterAll, describe, expect, it } from "vitest"
import { run, shell } from "./processSupport.ts"
import { start } from "./support.ts"

const folder = mkdtempSync(join(tmpdir(), "quiesce-misuse-"))
afterAll(() => rmSync(folder, { recursive: true }))

const file = (name: string, content: string, mode: number): string => {
  const path = join(folder, name)
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

/** A link to itself. */
const link = (name: string): string => {
  symlinkSync(name, join(folder, name))
  return join(folder, name)
}

const isWindows = process.platform === "win32"

const errorOf = async (command: ChildProcess.Command, options?: ProcessThread.Options) => {
  const exit = await run(Effect.exit(ProcessThread.spawn(command, options)))
  const isDefect = Exit.isFailure(exit) && exit.cause.reasons.some(Cause.isDieReason)
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  if (!ProcessError.isProcessError(error)) throw new Error(`There is no ProcessError in ${String(exit)}`)
  return { isDefect, tag: error.reason._tag, message: error.message }
}

describe.skipIf(isWindows)("ProcessThread.spawn fails", () => {
  it.each<readonly [string, ChildProcess.Command, RegExp]>([
    ["for a command that does not exist", ChildProcess.make("quiesce-no-such-program"), /no such program was found/],
    [
      "for a folder that does not exist",
      ChildProcess.make("true", { cwd: join(folder, "missing") }),
      /the folder .* does not exist/
    ],
    ["for a file without the permission", ChildProcess.make(file("plain", "text", 0o644)), /does not permit it/],
    ["for a folder as the command", ChildProcess.make(folder), /does not permit it/],
    ["for an empty command", ChildProcess.make(""), /empty/],
    ["for arguments that are too long", ChildProcess.make("true", ["x".repeat(3_000_000)]), /longer than the system/],
    ["for a name that is too long", ChildProcess.make("x".repeat(5000)), /name is longer than the system/],
    ["for a loop of links", ChildProcess.make(link("loop")), /loop of symbolic links/],
    ["for a path through a file", ChildProcess.make(join(file("part", "text", 0o644), "x")), /a file and no folder/],
    ["for a file as the folder", ChildProcess.make("true", { cwd: file("cwd", "text", 0o644) }), /cwd.* a file and no/],
    ["for a NUL in an argument", ChildProcess.make("true", ["a\0b"]), /NUL/],
    ["for a shell with arguments", ChildProcess.make("true", ["a"], { shell: true }), /shell/]
  ])("%s", async (_, command, message) => {
    const error = await errorOf(command)

    expect(error).toMatchObject({ isDefect: false, tag: "SpawnFailed", message: expect.stringMatching(message) })
  })

  it("for one command of a pipeline, and ends the others", async () => {
    const first = shell("trap '' TERM; while :; do sleep 1; done")

    const error = await errorOf(first.command.pipe(ChildProcess.pipeTo(ChildProcess.make("quiesce-no-such-program"))))

    expect(error).toMatchObject({ tag: "SpawnFailed" })
    expect(first.left()).toStrictEqual([])
  })

  it("without a file descriptor, and the next spawn starts the guardian", async () => {
    const command = ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh"]

    const { code, err, out } = await start("noDescriptors", { command }).ended

    expect({ code, err }).toStrictEqual({ code: 0, err: "" })
    expect(JSON.parse(out)).toStrictEqual({
      error: expect.stringContaining("no file descriptor is left"),
      exit: { _tag: "Exited", code: 3 },
      parentKilled: true
    })
  })
})

describe("ProcessThread.spawn dies", () => {
  it.each<readonly [string, ProcessThread.Options, string]>([
    ["an unknown signal", { stop: "SIGNOPE" as never }, 'stop: "SIGNOPE" is not a signal of this platform'],
    ["a number as signal", { interrupt: 15 as never }, "interrupt: 15 is not a signal of this platform"],
    ["a negative duration", { drainWithin: -1 }, "drainWithin: -1 can't be used, because a time can't be negative"],
    [
      "no duration",
      { drainWithin: "soon" as never },
      `drainWithin: "soon" can't be used, because that is not a duration`
    ],
    ["options that are a text", "5 seconds" as never, `"5 seconds" is not an object such as { stop: "SIGINT" }`]
  ])("for %s", async (_, options, message) => {
    const child = shell("sleep 60")

    const error = await errorOf(child.command, options)

    expect(error).toMatchObject({ isDefect: true, tag: "InvalidOption", message: expect.stringContaining(message) })
    expect(child.left()).toStrictEqual([])
  })

  it.each([
    ["killSignal", { killSignal: "SIGNOPE" as never }],
    ["forceKillAfter", { forceKillAfter: -1 }]
  ])("for a bad %s of the command", async (option, options) => {
    const error = await errorOf(ChildProcess.make("true", options))

    expect(error).toMatchObject({ isDefect: true, message: expect.stringMatching(new RegExp(`^${option}: `)) })
  })

  it.each([
    ["a program", ChildProcess.make(5 as never)],
    ["an argument", ChildProcess.make("true", [null as never])],
    [
      "an argument of a pipeline",
      ChildProcess.make("true").pipe(ChildProcess.pipeTo(ChildProcess.make("cat", [{} as never])))
    ]
  ])("for %s that is no text", async (_, command) => {
    const error = await errorOf(command)

    expect(error).toMatchObject({ isDefect: true, message: expect.stringContaining("arguments that are all texts") })
  })

  it("for a negative grace of the escalation, before a process is started", async () => {
    const child = shell("sleep 60")

    const exit = await run(Effect.exit(ProcessThread.spawn(child.command, { escalation: { interrupt: -1 } })))

    expect(Exit.isFailure(exit) && exit.cause.reasons.map(({ _tag }) => _tag)).toStrictEqual(["Die"])
    expect(child.left()).toStrictEqual([])
  })
})
