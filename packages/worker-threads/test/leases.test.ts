import { Thread } from "@quiesce/core"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { HostLease } from "@quiesce/worker-threads"
import { Cause, Context, Effect, Exit, Fiber, Option, Schema, Scope } from "effect"
import type { MessagePort } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import type { Handler } from "../src/internal/leases/declaredLease.ts"
import { Allowance } from "../src/internal/leases/allowance.ts"
import { LeaseBroker } from "../src/internal/leases/leaseBroker.ts"
import { HostLeases } from "../src/internal/leases/leaseKeeper.ts"
import { type Holder, mirrorLeases } from "../src/internal/leases/leaseMirror.ts"
import * as Codec from "../src/internal/wire/codec.ts"
import type { ToHost, ToWorker } from "../src/internal/wire/message.ts"
import { Outbox } from "../src/internal/wire/outbox.ts"
import { WorkerError } from "../src/WorkerError.ts"

const taskId = 3
const lease = 8
const done = { _tag: "Success", value: undefined } as const

const Folder = HostLease.make({ name: "Folder", payload: Schema.String, success: Schema.String })
const folderCodec = Codec.make("Folder", { payload: Schema.String, success: Schema.String, error: Schema.Never })

/** An outbox whose messages are kept. */
const openOutbox = () => {
  const sent: Array<ToHost> = []
  // An outbox only posts.
  const port = { postMessage: (messages: ReadonlyArray<ToHost>) => void sent.push(...messages) }
  return { outbox: new Outbox<ToHost>(port as unknown as MessagePort), sent }
}

/** Completes when the running effects have reached their next wait. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const openKeeper = (handlers: ReadonlyArray<Handler> = []) => {
  const sent: Array<ToWorker> = []
  const ledger: Array<string> = []
  const keeper = new HostLeases(handlers, Context.empty()).keeperFor({
    broker: undefined,
    id: taskId,
    enter: (name, options) => {
      ledger.push(`${name} kept by ${options?.keptBy ?? "this thread"}`)
      return (result) => void ledger.push(`${name} ${result}`)
    },
    send: (message) => void sent.push(message),
    allowance: new Allowance(() => {}),
    tracing: undefined
  })
  return { keeper, sent, ledger }
}
const folders = (released: Array<string> = []) =>
  HostLease.handler(Folder, (prefix) =>
    Effect.acquireRelease(Effect.succeed(`/tmp/${prefix}`), (path) => Effect.sync(() => released.push(path)))
  )
const acquire = (payload: unknown): Extract<ToHost, { readonly _tag: "Acquire" }> => ({
  _tag: "Acquire",
  id: taskId,
  lease,
  name: "Folder",
  payload
})

describe("LeaseKeeper, the host's side", () => {
  it("refuses a lease that no pool declares", () => {
    const { keeper, sent, ledger } = openKeeper()
    keeper.receive(acquire("a"))
    expect(sent).toEqual([
      { _tag: "Refused", id: taskId, lease, problem: "the pool does not declare it", unknown: true }
    ])
    expect(keeper.isEmpty).toBe(true)
    expect(ledger).toEqual([])
  })

  it("refuses a number that is in use, and keeps the lease with that number", async () => {
    const released: Array<string> = []
    const { keeper, sent, ledger } = openKeeper([folders(released)])
    keeper.receive(acquire("a"))
    await turn()
    keeper.receive(acquire("b"))
    expect(sent.map(({ _tag }) => _tag)).toEqual(["Acquired", "Refused"])
    expect(released).toEqual([])
    keeper.receive({ _tag: "Release", id: taskId, lease, exit: done })
    await turn()
    expect(released).toEqual(["/tmp/a"])
    expect(ledger).toEqual(["Folder kept by this thread", "Folder released"])
  })

  it("refuses a payload that does not fit the contract", async () => {
    const { keeper, sent } = openKeeper([folders()])
    keeper.receive(acquire(7))
    await turn()
    expect(sent).toEqual([
      { _tag: "Refused", id: taskId, lease, problem: "its payload does not fit the contract", unknown: false }
    ])
    expect(keeper.isEmpty).toBe(true)
  })

  it("answers the release of an unknown number, so that no worker waits", () => {
    const { keeper, sent } = openKeeper()
    keeper.receive({ _tag: "Release", id: taskId, lease, exit: done })
    expect(sent).toEqual([{ _tag: "Released", id: taskId, lease, problem: null }])
  })

  it("sends nothing after its close, and has released all leases by then", async () => {
    const released: Array<string> = []
    const { keeper, sent } = openKeeper([folders(released)])
    keeper.receive(acquire("a"))
    await turn()
    expect(await Effect.runPromise(keeper.close(Exit.void))).toEqual(Cause.empty)
    expect(released).toEqual(["/tmp/a"])
    keeper.receive(acquire("b"))
    keeper.receive({ _tag: "Release", id: taskId, lease, exit: done })
    await turn()
    expect(sent.map(({ _tag }) => _tag)).toEqual(["Acquired"])
  })
})

const openBroker = () => {
  const { outbox, sent } = openOutbox()
  const scope = Scope.makeUnsafe()
  const broker = new LeaseBroker(taskId, outbox)
  const acquiring = () => Effect.runFork(Scope.provide(broker.acquire(folderCodec, "a"), scope))
  return { broker, sent, scope, acquiring }
}
const problemOf = async (fiber: Fiber.Fiber<unknown, unknown>): Promise<unknown> => {
  const error = await Effect.runPromise(Effect.flip(Fiber.join(fiber)))
  return error instanceof WorkerError && "problem" in error.reason ? error.reason.problem : error
}
const numberOf = (message: ToHost | undefined): number =>
  message !== undefined && "lease" in message ? message.lease : -1

describe("LeaseBroker, the worker's side", () => {
  it("ignores answers for leases that it has not requested", async () => {
    const { acquiring, broker, sent } = openBroker()
    const fiber = acquiring()
    const asked = numberOf(sent[0])
    broker.receive({ _tag: "Acquired", id: taskId, lease: asked + 1, exit: done })
    broker.receive({ _tag: "Refused", id: taskId, lease: asked + 1, problem: "forged", unknown: false })
    broker.receive({ _tag: "Released", id: taskId, lease: asked, problem: "forged" })
    await turn()
    expect(fiber.pollUnsafe()).toBeUndefined()
    broker.receive({ _tag: "Refused", id: taskId, lease: asked, problem: "the disk is full", unknown: false })
    expect(await problemOf(fiber)).toBe("the disk is full")
  })

  it("fails a waiting request when the task ends, and each later request", async () => {
    const { acquiring, broker, sent } = openBroker()
    const waiting = acquiring()
    broker.close()
    expect(await problemOf(waiting)).toBe("the task has ended")
    expect(await problemOf(acquiring())).toBe("the task has ended")
    expect(sent.map(({ _tag }) => _tag)).toEqual(["Acquire"])
  })

  it("releases a value that does not fit the contract, and fails with BadReply", async () => {
    const { acquiring, broker, sent } = openBroker()
    const fiber = acquiring()
    const asked = numberOf(sent[0])
    broker.receive({ _tag: "Acquired", id: taskId, lease: asked, exit: { _tag: "Success", value: 7 } })
    await turn()
    expect(sent.map(({ _tag }) => _tag)).toEqual(["Acquire", "Release"])
    broker.receive({ _tag: "Released", id: taskId, lease: asked, problem: null })
    expect(await Effect.runPromise(Effect.flip(Fiber.join(fiber)))).toMatchObject({ reason: { _tag: "BadReply" } })
  })
})

/** A remote thread, and its cell. */
const spawnRemote = Effect.gen(function* () {
  let cell!: ThreadAdapter.RemoteThread<unknown, unknown>
  const controls: ThreadAdapter.Controls = {
    requestStop: () => Effect.void,
    requestInterrupt: () => Effect.sync(() => cell.settle(Exit.void)),
    raise: () => Effect.succeed(false),
    unwind: Option.none(),
    kill: Option.none(),
    locate: Effect.succeedNone
  }
  const thread = yield* ThreadAdapter.spawn<unknown, unknown, never, never>((made) => {
    cell = made
    return Effect.succeed(controls)
  })
  return { cell, thread }
})

describe("mirrorLeases", () => {
  it("sends the leases of tasks, and no lease that the host keeps or that belongs to no task", () =>
    Effect.gen(function* () {
      const sent: Array<unknown> = []
      const [task, other] = [yield* spawnRemote, yield* spawnRemote]
      const holder: Holder = { id: taskId, thread: task.thread, tell: (message) => sent.push(message) }
      mirrorLeases(yield* Thread.current, [holder])
      other.cell.enter("of no task")("released", null)
      task.cell.enter("kept by the host", { keptBy: "host" })("released", null)
      expect(sent).toEqual([])
      const end = task.cell.enter("file")
      expect(sent).toEqual([{ _tag: "LeaseHeld", id: taskId, lease: 1, name: "file" }])
      end("failed", "the disk is full")
      expect(sent[1]).toEqual({ _tag: "LeaseEnded", id: taskId, lease: 1, result: "failed", error: "the disk is full" })
    }).pipe((body) => Effect.flatMap(Thread.spawn(body), Thread.join), Effect.scoped, Effect.runPromise))
})
