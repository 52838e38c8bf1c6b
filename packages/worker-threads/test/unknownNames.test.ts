import * as CancelReason from "@quiesce/core/CancelReason"
import { millisOf } from "@quiesce/core/internal"
import type * as ThreadAdapter from "@quiesce/core/adapter"
import { Context, Duration, Effect, Exit, Fiber, Option, Result, Schema } from "effect"
import { MessageChannel, threadId } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { noSettings } from "../src/internal/host/callSettings.ts"
import { RemoteTask } from "../src/internal/host/remoteTask.ts"
import { TaskRings } from "../src/internal/host/taskRings.ts"
import type { TaskWorker } from "../src/internal/host/taskWorker.ts"
import { Allowance } from "../src/internal/leases/allowance.ts"
import { HostLeases } from "../src/internal/leases/leaseKeeper.ts"
import * as State from "../src/internal/locks/state.ts"
import * as ThreadDeathReports from "../src/internal/locks/threadDeaths.ts"
import * as Codec from "../src/internal/wire/codec.ts"
import { contractDialect } from "../src/internal/wire/contractDialect.ts"
import type { ToHost, ToWorker } from "../src/internal/wire/message.ts"

describe("a shared lock", () => {
  it("ignores the release, the withdrawal and the repair of an unknown request", () => {
    const state = new Int32Array(State.stateSize)
    State.initial(state, 1)
    const woken: Array<number> = []
    State.request(state, { key: 1, id: 10, permits: 1, total: 1, orElse: "wait" }, woken)
    const before = Int32Array.from(state)
    woken.length = 0
    State.release(state, 99, true, woken)
    State.withdraw(state, 99, woken)
    State.markConsistent(state, 99)
    State.reap(state, 77, undefined, woken)
    expect([State.phaseOf(state, 99), State.wakeOf(state, 99)]).toEqual([State.Phase.gone, 0])
    expect(state).toEqual(before)
    expect(woken).toEqual([])
  })
})

describe("ThreadDeaths", () => {
  it("accepts each thread below a worker once, and reports the end of no unknown thread", () => {
    const reports: Array<string> = []
    ThreadDeathReports.reportTo(({ _tag, threadId }) => reports.push(`${_tag} ${threadId}`))
    const [worker, below, unknown] = [90_001, 90_002, 90_003]
    const refusals: Array<string> = []
    const deaths = new ThreadDeathReports.ThreadDeaths(worker, (problem) => refusals.push(problem))
    expect([deaths.threadStarted(below), deaths.threadStarted(below)]).toEqual([true, false])
    expect([deaths.threadStarted(worker), deaths.threadStarted(threadId)]).toEqual([false, false])
    expect(refusals).toEqual(Array.from({ length: 3 }, () => "it reported a thread of another worker as its own"))
    deaths.threadEnded(unknown)
    deaths.threadEnded(worker)
    expect(reports).toEqual([`ThreadStarted ${worker}`, `ThreadStarted ${below}`])
    deaths.end()
    deaths.threadEnded(below)
    deaths.end()
    expect(reports.slice(2)).toEqual([`ThreadEnded ${worker}`, `ThreadEnded ${below}`, `ThreadEnded ${worker}`])
    ThreadDeathReports.reportTo(() => {})
  })
})

describe("TaskRings.start", () => {
  it("sends a task that the contract does not name by message", () => {
    const { port1, port2 } = new MessageChannel()
    const rings = new TaskRings(["Add"], port1, {
      ended: () => {},
      interrupted: () => {},
      sent: () => {},
      fail: () => {}
    })
    expect(rings.start(1, 0, "Add", { a: 1 })).toBe(true)
    expect(rings.start(2, 0, "Subtract", { a: 1 })).toBe(false)
    rings.close()
    port1.close()
    port2.close()
  })
})

describe("RemoteTask", () => {
  const codec = Codec.make("Add", { payload: Schema.Void, success: Schema.Number, error: Schema.Never })

  /** A task on a worker that only records the received messages. */
  const open = () => {
    const settled: Array<Exit.Exit<unknown, unknown>> = []
    const ledger: Array<string> = []
    const sent: Array<ToWorker["_tag"]> = []
    const refusals: Array<string> = []
    const thread: ThreadAdapter.RemoteThread<unknown, unknown> = {
      id: 1,
      name: "Add",
      rung: undefined,
      started: () => {},
      settle: (exit) => void settled.push(exit),
      end: () => Effect.void,
      held: () => [],
      enter: (name) => {
        ledger.push(name)
        return (result) => void ledger.push(result)
      }
    }
    const worker: TaskWorker<RemoteTask> = {
      threadId: 1,
      send: ({ _tag }) => void sent.push(_tag),
      sendNow: ({ _tag }) => void sent.push(_tag),
      stop: () => void sent.push("Stop"),
      interrupt: () => void sent.push("Interrupt"),
      unwinder: Option.none(),
      unwind: { _tag: "None", why: "no task was sent" },
      kill: () => Effect.die("A task that was never sent has no worker to kill"),
      locate: Effect.succeedNone,
      allowance: new Allowance(() => {}),
      refuse: (problem) => void refusals.push(problem),
      taskEnded: () => {}
    }
    const task = new RemoteTask({
      context: Context.empty(),
      thread,
      codec,
      payload: undefined,
      transfers: [],
      deadline: Infinity,
      settings: noSettings,
      dialect: contractDialect,
      hostLeases: new HostLeases([], Context.empty()),
      parentTask: undefined
    })
    return { ledger, refusals, sent, settled, task, worker }
  }
  const reason = CancelReason.interrupted({ message: "enough" })

  it("commits a raise that waits, withdraws no committed raise, and commits no withdrawn raise", async () => {
    const { task, worker } = open()
    const sent: Array<ToWorker> = []
    task.assigned(7, { ...worker, send: (message) => void sent.push(message) }, 0)
    task.sent()
    const [withdrawn, cut, answered] = ["a", "b", "c"].map((error) => Effect.runFork(task.raise(error)))
    const [first, second, third] = sent.splice(0).map((message) => (message._tag === "Raise" ? message.raise : -1))
    task.reserved(second!)
    task.reserved(third!)
    await Effect.runPromise(Fiber.interruptAll([withdrawn!, cut!]))
    task.reserved(first!)
    task.raised(second!, true)
    task.raised(third!, true)
    expect(await Effect.runPromise(Fiber.join(answered!))).toBe(true)
    expect(sent).toEqual([
      { _tag: "Commit", raise: second },
      { _tag: "Commit", raise: third },
      { _tag: "Withdraw", raise: first }
    ])
  })

  it("withdraws a waiting raise after its time limit, and returns the worker's answer for a committed raise", async () => {
    const { task, worker } = open()
    const sent: Array<ToWorker> = []
    task.assigned(7, { ...worker, send: (message) => void sent.push(message) }, 0)
    task.sent()
    const withdrawals: Array<() => void> = []
    const [waiting, committed] = ["a", "b"].map((error) =>
      Effect.runFork(task.raise(error, (withdraw) => withdrawals.push(withdraw)))
    )
    const [first, second] = sent.splice(0).map((message) => (message._tag === "Raise" ? message.raise : -1))
    task.reserved(second!)
    for (const withdraw of withdrawals) withdraw()
    expect(waiting!.pollUnsafe()).toEqual(Exit.succeed(false))
    expect(committed!.pollUnsafe()).toBeUndefined()
    task.reserved(first!)
    task.raised(second!, true)
    expect(await Effect.runPromise(Fiber.join(committed!))).toBe(true)
    expect(sent).toEqual([
      { _tag: "Commit", raise: second },
      { _tag: "Withdraw", raise: first }
    ])
  })

  it("ignores the end of an unknown lease and the answer to an unknown raise", () => {
    const { ledger, settled, task, worker } = open()
    task.assigned(7, worker, 0)
    task.sent()
    task.receive({ _tag: "LeaseEnded", id: 7, lease: 5, result: "released", error: null })
    task.raised(99, true)
    expect([ledger, settled]).toEqual([[], []])
  })

  it("ignores messages of a worker before it has one, and after it has ended", () => {
    const { ledger, sent, settled, task, worker } = open()
    const acquire: Extract<ToHost, { readonly _tag: "Acquire" }> = {
      _tag: "Acquire",
      id: 7,
      lease: 1,
      name: "Folder",
      payload: 0
    }
    task.receive(acquire)
    task.assigned(7, worker, 0)
    task.sent()
    task.succeeded(3)
    task.succeeded(4)
    task.receive(acquire)
    expect(settled).toEqual([Exit.succeed(3)])
    expect([ledger, sent]).toEqual([[], []])
  })

  it("has no worker to kill, to unwind or to locate while it is queued, and ends there when interrupted", () => {
    const { sent, settled, task } = open()
    let isQueued = true
    task.enqueued(() => (isQueued = false))
    Effect.runSync(Option.getOrThrow(task.kill)(reason))
    expect(Option.isNone(task.unwind)).toBe(true)
    expect(Option.isNone(Effect.runSync(task.locate))).toBe(true)
    Effect.runSync(task.requestInterrupt(reason))
    expect([isQueued, settled.length, sent]).toEqual([false, 1, []])
    expect(Effect.runSync(task.raise("late"))).toBe(false)
  })

  it("sends after its start the messages from before its start: chunks, a stop, an error", () => {
    const { sent, task, worker } = open()
    task.pull(4)
    Effect.runSync(task.requestStop(reason))
    Effect.runFork(task.raise(new Error("no")))
    task.assigned(7, worker, 0)
    expect(sent).toEqual([])
    task.sent()
    expect(sent).toEqual(["Pull", "Stop", "Raise"])
  })
})

describe("millisOf", () => {
  it("fails for values that are not a duration, among them NaN", () => {
    const bad: ReadonlyArray<unknown> = [NaN, "soon", null]
    // A caller without types could pass such a value.
    for (const input of bad) expect(Result.isFailure(millisOf(input as Duration.Input))).toBe(true)
    const millis = [millisOf(7), millisOf("2 seconds"), millisOf(Duration.seconds(1))].map(Result.getOrThrow)
    expect(millis).toEqual([7, 2000, 1000])
  })
})
