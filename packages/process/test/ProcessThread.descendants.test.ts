/**
 * No descendant of a command is left, for each way in which the descendant leaves the command, and each end of this
 * process.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { setTimeout } from "node:timers/promises"
import { Thread } from "@quiesce/core"
import { ProcessThread } from "@quiesce/process"
import * as Effect from "effect/Effect"
import { afterEach, describe, expect, it } from "vitest"
import * as Guardian from "../src/internal/child/guardian.ts"
import * as Table from "../src/internal/child/processTable.ts"
import * as Tree from "../src/internal/child/tree.ts"
import {
  counted,
  type Counted,
  counting,
  printed,
  run,
  shell,
  showsProcesses,
  textOf,
  withVariable
} from "./processSupport.ts"
import { fixture, start } from "./support.ts"

/** The environment variable that counts the descendants of the guarded programs. */
const guarding = "QUIESCE_TEST_GUARDIAN"

const ignoring = "trap '' TERM INT HUP; while :; do sleep 1; done"

/** Clears the environment, except for the variables of the tests. */
const clear = `env -i ${[counting, guarding].map((name) => `${name}="$${name}"`).join(" ")}`

/** A script starts a descendant, prints, and waits. */
const before = "trap '' TERM INT HUP;"
const after = `echo ready; ${ignoring}`

/** Each script starts a descendant that the usual kills do not reach. */
const escapes: ReadonlyArray<readonly [how: string, script: string]> = [
  ["in the group", `sh -c "${ignoring}" &`],
  ["double-forked", `(sh -c "${ignoring}" &) ;`],
  ["in a session of its own", `setsid sh -c "${ignoring}" &`],
  ["in a session, its parent gone", `(setsid sh -c "${ignoring}" &) ;`],
  ["with a cleared environment, in the group", `${clear} sh -c "${ignoring}" &`],
  ["with a cleared environment, double-forked", `(${clear} sh -c "${ignoring}" &) ;`],
  ["that starts others", `setsid sh -c "while :; do sleep 1 & sleep 0.01; done" &`]
]

/** These descendants are found only below their live parents. */
const hidden: ReadonlyArray<readonly [how: string, script: string]> = [
  ["with a cleared environment, in a session of its own", `setsid ${clear} sh -c "${ignoring}" &`],
  [
    "with a cleared environment, in a session, below another one",
    `setsid ${clear} sh -c "setsid sleep 1000 & ${ignoring}" &`
  ]
]

const scripts = [...escapes, ...hidden].map(([, script]) => `${before} ${script} ${after}`)

/** Waits until no process has the variable. If a descendant stays, the test times out. */
const gone = async (left: Counted["left"]): Promise<void> => {
  while (left().length > 0) await setTimeout(10)
}

describe.skipIf(!showsProcesses)("ProcessThread", () => {
  it.each([...escapes, ...hidden])("kills a descendant %s", async (_, script) => {
    const tree = shell(`${before} ${script} ${after}`)

    const report = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(tree.command)
        yield* printed(thread)
        return yield* Thread.shutdown(thread, { escalation: { interrupt: 1, kill: "1 minute" } })
      })
    )

    expect(report.ending._tag).toBe("Killed")
    expect(tree.left()).toStrictEqual([])
  })

  it.each([...escapes, ...hidden])(
    "leaves no descendant %s after a command that an interrupt ended",
    async (_, script) => {
      const tree = shell(`trap 'exit 3' TERM; ${script} echo ready; while :; do sleep 0.1; done`)

      const report = await run(
        Effect.gen(function* () {
          const thread = yield* ProcessThread.spawn(tree.command, { drainWithin: 20 })
          yield* printed(thread)
          return yield* Thread.shutdown(thread, { escalation: { interrupt: "1 minute" } })
        })
      )

      expect(report.ending._tag).toBe("Interrupted")
      expect(tree.left()).toStrictEqual([])
    }
  )

  it.each(escapes)("leaves no descendant %s after a command that ended by itself", async (_, script) => {
    const tree = shell(`${before} ${script} exit 0`)

    const exit = await run(Effect.flatMap(ProcessThread.spawn(tree.command, { drainWithin: 20 }), Thread.join))

    expect(exit).toStrictEqual({ _tag: "Exited", code: 0 })
    expect(tree.left()).toStrictEqual([])
  })

  it("waits for a descendant that ends within drainWithin, and has the output of the descendant", async () => {
    const tree = shell("(setsid sh -c 'sleep 0.2; echo late' &) ; exit 0")

    const [text, exit] = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(tree.command, { drainWithin: "1 minute" })
        return [yield* textOf(thread.stdout), yield* Thread.join(thread)] as const
      })
    )

    expect(text).toBe("late\n")
    expect(exit).toStrictEqual({ _tag: "Exited", code: 0 })
  })

  it("kills the processes that a killed program of Quiesce has started", async () => {
    const tree = counted(process.execPath, [fixture("treeParent"), "wait", ...scripts])

    await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(tree.command)
        yield* printed(thread)
        yield* Thread.shutdown(thread, { escalation: { kill: "1 minute" } })
      })
    )

    // The guardian of the killed program ends processes that begin during the kill, a moment later.
    await gone(tree.left)
    expect(tree.left()).toStrictEqual([])
  })
})

describe.skipIf(!showsProcesses)("the guardian", () => {
  const variable = `${guarding}=${process.pid}`
  const left = (): ReadonlyArray<number> => withVariable(variable)

  it.each(["SIGKILL", "exit", "throw"])("ends all descendants when the parent ends by %s", async (how) => {
    const parent = start("treeParent", {
      command: ["env", variable],
      args: [how, ...scripts]
    })
    await parent.prints("ready")
    if (how === "SIGKILL") parent.kill("SIGKILL")
    await parent.ended

    await gone(left)

    expect(left()).toStrictEqual([])
  })

  it("kills the given groups if the system hides environments", async () => {
    const group = spawn("sh", ["-c", ignoring], { detached: true, stdio: "ignore" })
    const forgotten = spawn("sh", ["-c", ignoring], { detached: true, stdio: "ignore" })
    const guardian = spawn("/bin/sh", ["-c", Guardian.script, "guardian", "QUIESCE_TREE_none", "/nowhere"], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"]
    })
    started.push(forgotten.pid!)

    guardian.stdin.end(`+ ${forgotten.pid}\n+ ${group.pid}\n- ${forgotten.pid}\n`)
    await Promise.all([once(guardian, "exit"), once(group, "exit")])

    expect(group.signalCode).toBe("SIGKILL")
    expect(forgotten.signalCode).toBe(null)
  })

  const started: Array<number> = []
  afterEach(() => {
    for (const pid of started.splice(0)) process.kill(-pid, "SIGKILL")
  })
})

describe.skipIf(!showsProcesses)("a signal by number", () => {
  it("is not sent to a process that now has the number of another process", async () => {
    const child = spawn("sleep", ["60"])
    await once(child, "spawn")
    const found = Table.find(child.pid!)!

    const wasSent = Tree.signal({ ...found, started: found.started - 1 }, "SIGKILL")
    const isSame = Tree.signal(found, "SIGTERM")
    const [, signal] = await once(child, "exit")

    expect(wasSent).toBe(false)
    expect(isSame).toBe(true)
    expect(signal).toBe("SIGTERM")
  })

  it("is not sent to a process that has ended", async () => {
    const child = spawn("sleep", ["60"])
    await once(child, "spawn")
    const found = Table.find(child.pid!)!
    child.kill("SIGKILL")
    await once(child, "exit")

    expect(Tree.signal(found, "SIGTERM")).toBe(false)
  })
})
