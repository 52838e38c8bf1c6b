/**
 * A cluster in this thread, in virtual time: Effect's engine, a store in memory, several runners and a client, each on a machine
 * of its own. Only the sockets, the engine's record of its runners and the clock of the store are replaced.
 */
import * as ClusterThreads from "@quiesce/cluster/ClusterThreads"
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ForcedEnd from "@quiesce/core/ForcedEnd"
import * as Thread from "@quiesce/core/Thread"
import type * as VirtualClock from "@quiesce/testing/VirtualClock"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { Sharding } from "effect/cluster/Sharding"
import { random } from "../../../testing/src/internal/time/random.ts"
import * as Fakes from "./fakes.ts"
import type { ClusterEvent, End } from "./checks.ts"
import { Machine } from "./machine.ts"
import { Network, type Node } from "./network.ts"
import * as RunnerTable from "./runnerTable.ts"
import type { Body, Step } from "./scenario.ts"
import * as SimulatedRunner from "./simulatedRunner.ts"
import { SimulatedStore } from "./simulatedStore.ts"
import { handlersOf, SimulatedTasks } from "./tasks.ts"

type AnyThread = Thread.Thread<unknown, unknown>

interface RunnerNode extends Node {
  fiber: Fiber.Fiber<unknown, unknown>
}

/** The engine counts its times from there. A store with a time of zero would take rows for expired. */
const epoch = 1_000_000

/** A scenario that takes more steps hangs. */
const mostSteps = 500_000

export class SimulatedCluster implements Fakes.Fakes {
  readonly events: Array<ClusterEvent> = []
  readonly threads: Array<AnyThread> = []
  private readonly hand: VirtualClock.Hand = { now: epoch }
  private readonly network = new Network()
  private readonly table = RunnerTable.make(this.hand)
  private readonly client = new Machine("client", this.hand)
  private readonly scope = Scope.makeUnsafe()
  private readonly machines: Array<Machine> = [this.client]
  private readonly next: () => number
  private readonly fault: SimulatedRunner.Fault
  private runners: Array<RunnerNode> = []
  private store!: SimulatedStore
  private spawner!: ClusterThreads.Of<typeof SimulatedTasks>
  /** The machine whose code runs now. */
  private acting: Machine = this.client
  private made = 0
  private steps = 0

  constructor(seed: number, fault: SimulatedRunner.Fault) {
    this.next = random(seed)
    this.fault = fault
  }

  /** Opens the store, and starts two runners and the client. */
  async open(): Promise<void> {
    this.store = await SimulatedStore.open(this.hand)
    Fakes.during(this, () => this.begin())
  }

  private begin(): void {
    this.join()
    this.join()
    const made = Effect.flatMap(Layer.build(SimulatedRunner.engineOf(this.shared, this.client, "client")), (engine) =>
      Effect.provideContext(ClusterThreads.make(SimulatedTasks, { timeToLive: SimulatedRunner.timeToLive }), engine)
    )
    this.on(this.client, () => this.client.fork(Scope.provide(made, this.scope))).addObserver((exit) => {
      if (Exit.isFailure(exit)) throw new Error(`the client has failed: ${Cause.pretty(exit.cause)}`)
      this.spawner = exit.value
    })
    // The runners take their shards.
    this.pass(2000)
  }

  /** Performs steps, and lets time pass at the end. */
  perform(steps: ReadonlyArray<Step>, millis: number): void {
    Fakes.during(this, () => {
      for (const step of steps) this.step(step)
      this.pass(millis)
    })
  }

  private step(step: Step): void {
    switch (step._tag) {
      case "Spawn":
        return this.spawn(step.body, step.millis)
      case "Interrupt":
        return this.ask(step.thread, "interrupt")
      case "Kill":
        return this.ask(step.thread, "kill")
      case "Wait":
        return this.pass(step.millis)
      case "Die":
        return this.die(step.runner)
      case "Leave":
        return this.leave(step.runner)
      case "Freeze":
        return this.freeze(step.runner, step.millis)
      case "CutOff":
        return this.cutOff(step.runner)
      case "Join":
        return this.join()
      case "Away":
        return this.store.leave(step.millis)
    }
  }

  // ---- The fakes ----

  connect(host: string): Fakes.Socket {
    return this.network.connect(this.acting, host)
  }

  after(millis: number, wake: () => void): () => void {
    return this.acting.clock.after(millis, wake)
  }

  /** The ids of threads decide where they run. */
  uuid(): string {
    const digits = Array.from({ length: 32 }, () => Math.floor(this.next() * 16).toString(16)).join("")
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")
  }

  private get shared(): SimulatedRunner.Shared {
    const { network, table } = this
    return { network, table, storeOf: () => this.store.forMachine(this.fault.store ?? (() => ({}))) }
  }

  now(): number {
    return this.hand.now - epoch
  }

  private note(
    event: ClusterEvent extends infer One ? (One extends ClusterEvent ? Omit<One, "at"> : never) : never
  ): void {
    this.events.push({ at: this.now(), ...event })
  }

  // ---- Steps of a scenario ----

  /** A runner starts. */
  private join(): void {
    const machine = new Machine(`runner-${this.made++}`, this.hand)
    const node: Node = { machine, sharding: undefined }
    const { name } = machine
    const handlers = handlersOf(
      (thread) => this.note({ _tag: "Started", thread, runner: name }),
      (thread) => this.note({ _tag: "Wrote", thread })
    )
    const known = Layer.effectDiscard(Effect.map(Sharding, (sharding) => void (node.sharding = sharding)))
    const layer = Layer.effectDiscard(SimulatedRunner.make(this.fault)).pipe(
      Layer.provide(handlers),
      Layer.provideMerge(known),
      Layer.provide(SimulatedRunner.engineOf(this.shared, machine, "runner"))
    )
    this.machines.push(machine)
    this.network.add(node)
    const fiber = this.on(machine, () => machine.fork(Layer.launch(layer)))
    this.runners.push(Object.assign(node, { fiber }))
  }

  /** The runner with an index, unless it is the last. */
  private other(index: number): RunnerNode | undefined {
    return this.runners.length < 2 ? undefined : this.runners[index % this.runners.length]
  }

  private remove(index: number): RunnerNode | undefined {
    const node = this.other(index)
    this.runners = this.runners.filter((one) => one !== node)
    return node
  }

  private die(index: number): void {
    const node = this.remove(index)
    if (node === undefined) return
    this.note({ _tag: "Died", runner: node.machine.name })
    node.machine.die()
    this.network.cut(node.machine)
  }

  private leave(index: number): void {
    const node = this.remove(index)
    node?.machine.post(() => node.machine.fork(Fiber.interrupt(node.fiber)))
    node?.fiber.addObserver(() => {
      node.machine.die()
      this.network.cut(node.machine)
    })
  }

  private freeze(index: number, millis: number): void {
    const node = this.other(index)
    if (node === undefined || node.machine.state !== "running") return
    node.machine.state = "frozen"
    // The client lives as long as the scenario.
    this.client.clock.after(millis, () => {
      if (node.machine.state === "frozen") node.machine.state = "running"
    })
  }

  private cutOff(index: number): void {
    const node = this.runners[index % this.runners.length]
    if (node !== undefined) this.network.cut(node.machine)
  }

  private spawn(body: Body, millis: number): void {
    const number = this.threads.length
    const spawned = Scope.provide(this.spawner.spawn("Work", { number, body, millis }), this.scope)
    this.on(this.client, () => this.client.fork(spawned)).addObserver((exit) => {
      if (!Exit.isSuccess(exit)) return
      const thread = exit.value
      this.threads.push(thread)
      ThreadAdapter.onExit(thread, (end) => this.settled(number, thread, end))
    })
  }

  private settled(number: number, thread: AnyThread, exit: Exit.Exit<unknown, unknown>): void {
    this.note({
      _tag: "Settled",
      thread: number,
      end: endOf(exit),
      reason: Option.getOrUndefined(CancelReason.fromExit(exit))?._tag,
      hadStarted: ThreadAdapter.controlsOf(thread).hasStarted ?? true
    })
  }

  private ask(index: number, how: "interrupt" | "kill"): void {
    const number = index % Math.max(1, this.threads.length)
    const thread = this.threads[number]
    if (thread === undefined) return
    this.note({ _tag: "Asked", thread: number })
    const asked =
      how === "interrupt" ? Thread.interruptFork(thread) : Thread.shutdown(thread, { escalation: { kill: "1 minute" } })
    this.on(this.client, () => this.client.fork(asked))
  }

  // ---- Time ----

  /** Advances the time by the given number of milliseconds. */
  private pass(millis: number): void {
    const end = this.hand.now + millis
    for (;;) {
      this.drain()
      const next = this.machines.reduce((least, { next: own = Infinity }) => Math.min(least, own), Infinity)
      if (next > end) break
      for (const machine of this.machines) {
        if (machine.next !== undefined && machine.next <= next) this.advance(machine)
      }
    }
    this.setNow(end)
  }

  /** A frozen machine is late. */
  private advance(machine: Machine): void {
    this.setNow(Math.max(this.hand.now, machine.next!))
    this.on(machine, () => machine.clock.advance())
  }

  /** Runs code of a machine. */
  private on<A>(machine: Machine, code: () => A): A {
    this.acting = machine
    return code()
  }

  private setNow(now: number): void {
    if (now === this.hand.now) return
    this.hand.now = now
    this.store.setNow(now)
  }

  /** Runs all tasks. The seed chooses the machine of each. */
  private drain(): void {
    for (;;) {
      const busy = this.machines.filter(({ isBusy }) => isBusy)
      if (busy.length === 0) return
      if (++this.steps > mostSteps) throw new Error(`the scenario takes more than ${mostSteps} steps`)
      const machine = busy[Math.floor(this.next() * busy.length)]!
      this.on(machine, () => machine.runTask())
    }
  }

  close(): void {
    for (const machine of this.machines) machine.die()
    this.store.close()
  }
}

const endOf = (exit: Exit.Exit<unknown, unknown>): End => {
  if (Exit.isSuccess(exit)) return "value"
  if (Option.isSome(ForcedEnd.fromExit(exit))) return "killed"
  return Exit.hasInterrupts(exit) ? "interrupted" : "failed"
}
