/** The input and the outputs of a command are complete and bounded, and never delay the end. */
import { ProcessError, ProcessThread } from "@quiesce/process"
import { Thread } from "@quiesce/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as PlatformError from "effect/PlatformError"
import * as Schedule from "effect/Schedule"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "vitest"
import { node, printed, run, shell, textOf } from "./processSupport.ts"

const isWindows = process.platform === "win32"

const megabyte = "x".repeat(1024 * 1024)

const streamOf = (text: string) => Stream.encodeText(Stream.make(text))

const reasonOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return ProcessError.isProcessError(error) ? error.reason : error
}

/** Writes without an end, and ends only at SIGKILL. */
const flooding = shell("trap '' TERM; while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done")

describe.skipIf(isWindows)("the outputs of a ProcessThread", () => {
  it("are complete, although the process exits right after its last write", async () => {
    const child = node(`require("fs").writeSync(1, "x".repeat(1000)); process.stdout.write("x".repeat(1048576 - 1000))`)

    const [text, exit] = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(child.command)
        return [yield* textOf(thread.stdout), yield* Thread.join(thread)] as const
      })
    )

    expect(text).toHaveLength(megabyte.length)
    expect(exit).toStrictEqual({ _tag: "Exited", code: 0 })
  })

  it("can be read after the end of the process", async () => {
    const text = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(shell("echo out; echo err >&2").command)
        yield* Thread.join(thread)
        return [yield* textOf(thread.stdout), yield* textOf(thread.stderr)]
      })
    )

    expect(text).toStrictEqual(["out\n", "err\n"])
  })

  it("are merged in all", async () => {
    const text = await run(
      Effect.flatMap(ProcessThread.spawn(shell("echo out; echo err >&2").command), (thread) => textOf(thread.all))
    )

    expect(text.trim().split("\n").toSorted()).toStrictEqual(["err", "out"])
  })

  it("keep bytes that are no UTF-8", async () => {
    const [bytes, text] = await run(
      Effect.gen(function* () {
        const script = String.raw`printf '\377\376a'`
        const first = yield* ProcessThread.spawn(shell(script).command)
        const second = yield* ProcessThread.spawn(shell(script).command)
        return [yield* Stream.runCollect(first.stdout), yield* textOf(second.stdout)] as const
      })
    )

    expect(Buffer.concat(bytes)).toStrictEqual(Buffer.from([0xff, 0xfe, 0x61]))
    expect(text).toBe("\uFFFD\uFFFDa")
  })

  it("pause the process without a reader, and do not delay its end", async () => {
    const exit = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(flooding.command)
        yield* printed(thread)
        const report = yield* Thread.shutdown(thread, { escalation: { interrupt: 50, kill: "1 minute" } })
        return report.ending._tag
      })
    )

    expect(exit).toBe("Killed")
    expect(flooding.left()).toStrictEqual([])
  })

  it("do not delay the end of a process that has written less than a pipe holds", async () => {
    const exit = await run(
      Effect.flatMap(
        ProcessThread.spawn(shell("head -c 60000 /dev/zero").command, { drainWithin: "1 hour" }),
        (thread) => Thread.join(thread)
      )
    )

    expect(exit).toStrictEqual({ _tag: "Exited", code: 0 })
  })

  it("are cut after drainWithin if a descendant holds the pipe, with the output so far and a mark", async () => {
    const holder = shell("sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo so far")

    const [read, untilCut, exit] = await run(
      Effect.gen(function* () {
        const first = yield* ProcessThread.spawn(holder.command, { drainWithin: 30 })
        const seen: Array<string> = []
        const lines = Stream.splitLines(Stream.decodeText(first.stdout))
        const read = yield* Effect.exit(Stream.runForEach(lines, (line) => Effect.sync(() => seen.push(line))))
        const second = yield* ProcessThread.spawn(holder.command, { drainWithin: 30 })
        const text = yield* textOf(ProcessThread.untilCut(second.stdout))
        return [{ seen, read }, text, yield* Thread.join(first)] as const
      })
    )

    expect(read.seen).toStrictEqual(["so far"])
    expect(reasonOf(read.read)).toStrictEqual({ _tag: "OutputCut", command: "sh", stream: "stdout", millis: 30 })
    expect(untilCut).toBe("so far\n")
    expect(exit).toStrictEqual({ _tag: "Exited", code: 0 })
    expect(holder.left()).toStrictEqual([])
  })

  it.each([["30 days"], [Infinity]] as const)(
    "are complete if a descendant writes later, with a drainWithin that exceeds the timers of Node: %s",
    async (drainWithin) => {
      const text = await run(
        Effect.flatMap(
          ProcessThread.spawn(shell("(sleep 0.3; echo late) & echo early").command, { drainWithin }),
          (thread) => textOf(thread.stdout)
        )
      )

      expect(text).toBe("early\nlate\n")
    }
  )

  it("are cut if a descendant continues to write and there is no reader", async () => {
    const writer = shell("sh -c 'trap \"\" TERM; while :; do head -c 100000 /dev/zero; done' & exit 0")

    const exit = await run(
      Effect.flatMap(ProcessThread.spawn(writer.command, { drainWithin: 30 }), (thread) => Thread.join(thread))
    )

    expect(exit).toStrictEqual({ _tag: "Exited", code: 0 })
    expect(writer.left()).toStrictEqual([])
  })
})

describe.skipIf(isWindows)("the input of a ProcessThread", () => {
  it("takes a sink, which closes the input", async () => {
    const text = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(ChildProcess.make("cat"))
        yield* Effect.forkChild(Stream.run(Stream.encodeText(Stream.make("a", "b", megabyte)), thread.stdin))
        return yield* textOf(thread.stdout)
      })
    )

    expect(text).toBe(`ab${megabyte}`)
  })

  it("takes the stream of the command", async () => {
    const command = ChildProcess.make("cat", { stdin: Stream.encodeText(Stream.make("from ", "a stream")) })

    const text = await run(Effect.flatMap(ProcessThread.spawn(command), (thread) => textOf(thread.stdout)))

    expect(text).toBe("from a stream")
  })

  it("ends the process with InputFailed when the stream of the command fails", async () => {
    const failure = PlatformError.badArgument({ module: "test", method: "read", description: "broken" })
    const command = ChildProcess.make("sh", ["-c", "trap '' TERM; while :; do sleep 1; done"], {
      stdin: Stream.fail(failure)
    })

    const exit = await run(
      Effect.exit(Effect.flatMap(ProcessThread.spawn(command, { drainWithin: 30 }), (thread) => Thread.join(thread)))
    )

    expect(reasonOf(exit)).toMatchObject({ _tag: "InputFailed", cause: failure })
  })

  it("ends the process with InputFailed when the stream of an additional descriptor fails", async () => {
    const failure = PlatformError.badArgument({ module: "test", method: "read", description: "broken" })
    const command = ChildProcess.make("sh", ["-c", "trap '' TERM; while :; do sleep 1; done"], {
      additionalFds: { fd3: { type: "input", stream: Stream.fail(failure) } }
    })

    const exit = await run(
      Effect.exit(Effect.flatMap(ProcessThread.spawn(command, { drainWithin: 30 }), (thread) => Thread.join(thread)))
    )

    expect(reasonOf(exit)).toMatchObject({ _tag: "InputFailed", cause: failure })
  })

  it("takes the streams of additional descriptors", async () => {
    const command = ChildProcess.make("sh", ["-c", "cat; cat <&3; cat <&5"], {
      stdin: streamOf("first "),
      additionalFds: {
        fd3: { type: "input", stream: streamOf("second ") },
        fd5: { type: "duplex", stream: streamOf("third") }
      }
    })

    const text = await run(Effect.flatMap(ProcessThread.spawn(command), (thread) => textOf(thread.stdout)))

    expect(text).toBe("first second third")
  })

  it.each([
    ["dies", Stream.die(new Error("broken")), "broken"],
    ["is interrupted", Stream.fromEffect(Effect.interrupt), "Interrupt"]
  ])("ends the process with InputFailed when the stream of the command %s", async (_, rest, problem) => {
    const stdin = Stream.concat(Stream.encodeText(Stream.make("a part")), rest)
    const command = ChildProcess.make("cat", { stdin })

    const exit = await run(Effect.exit(Effect.flatMap(ProcessThread.spawn(command), (thread) => Thread.join(thread))))

    expect(reasonOf(exit)).toMatchObject({ _tag: "InputFailed", command: "cat" })
    expect(String((reasonOf(exit) as { readonly cause: unknown }).cause)).toContain(problem)
  })

  it("does not fail when the process ends before a stream that waits", async () => {
    const command = ChildProcess.make("true", { stdin: Stream.never })

    const exit = await run(Effect.flatMap(ProcessThread.spawn(command), (thread) => Thread.join(thread)))

    expect(exit).toStrictEqual({ _tag: "Exited", code: 0 })
  })

  it("does not fail when the process stops reading", async () => {
    const stdin = Stream.encodeText(Stream.repeat(Stream.make(megabyte), Schedule.forever))
    const command = ChildProcess.make("sh", ["-c", "exec <&-; sleep 0.2; exit 3"], { stdin })

    const exit = await run(Effect.flatMap(ProcessThread.spawn(command), (thread) => Thread.join(thread)))

    expect(exit).toStrictEqual({ _tag: "Exited", code: 3 })
  })

  it("fails a writer when the process stops reading", async () => {
    const exit = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(shell("exec <&-; echo closed; sleep 60").command)
        yield* printed(thread)
        return yield* Effect.exit(
          Stream.run(Stream.encodeText(Stream.repeat(Stream.make(megabyte), Schedule.forever)), thread.stdin)
        )
      })
    )

    expect(reasonOf(exit)).toMatchObject({ _tag: "InputClosed", command: "sh" })
  })

  it("fails a waiting writer when the thread ends", async () => {
    const exit = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(shell("echo ready; sleep 60").command)
        yield* printed(thread)
        const writes = Stream.run(
          Stream.encodeText(Stream.repeat(Stream.make(megabyte), Schedule.forever)),
          thread.stdin
        )
        const writing = yield* Effect.forkChild(writes)
        yield* Thread.interrupt(thread)
        return yield* Fiber.await(writing)
      })
    )

    expect(reasonOf(exit)).toMatchObject({ _tag: "InputClosed", command: "sh" })
  })
})
