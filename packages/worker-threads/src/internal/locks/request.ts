/**
 * A request to a shared lock, from its entry to its end, and the resulting hold.
 *
 * Invariant: an entered request is either answered with a `Hold`, which ends the request, or withdrawn.
 */
import { textOf } from "@quiesce/core/internal"
import { hasProperty } from "effect/Predicate"
import * as LockError from "../../LockError.ts"
import * as WorkerError from "../../WorkerError.ts"
import * as Memory from "./memory.ts"
import * as Registry from "./registry.ts"
import * as State from "./state.ts"

/** The sendable form of a lock: plain data for structured clone, with shared memory. */
export interface Handle {
  readonly name: string
  readonly buffer: SharedArrayBuffer
}

/** The kind of a lock: the key of its brand, and its module. */
export interface Kind {
  readonly typeId: string
  readonly module: "SharedMutex" | "SharedSemaphore"
}

/** The permits that a request wants. `strict` is the parameter of `State.release`. */
export interface Demand {
  readonly kind: Kind
  readonly permits: number
  readonly strict: boolean
}

/**
 * The memory of a lock. Throws a `LockError` if a thread has written over the memory, and a defect for any other value,
 * also for a lock of the other kind.
 */
export const open = (lock: Handle, { module, typeId }: Kind): Memory.Memory => {
  const isLock = hasProperty(lock, typeId) && typeof lock.name === "string" && Memory.isLockSized(lock.buffer)
  if (isLock && Memory.isLockBuffer(lock.buffer)) return Registry.open(lock.buffer)
  if (isLock) throw LockError.make({ _tag: "LockUnusable", lock: lock.name, threadId: -1 })
  throw invalid(module, `${textOf(lock)} is not a ${module}; make one with ${module}.make, and send it as it is`)
}

/** The name in the options of a lock, which ledgers and messages show. Throws for anything but a text. */
export const nameIn = (options: { readonly name?: string | undefined } | undefined, otherwise: string): string => {
  const name: unknown = options?.name ?? otherwise
  if (typeof name === "string") return name
  throw invalid(`${otherwise}.make's name`, `${textOf(name)} is not a text`)
}

export const invalid = (option: string, problem: string): WorkerError.WorkerError =>
  WorkerError.make({ _tag: "InvalidOption", option, problem })

/** One request, from its entry to its end. */
export class Request {
  readonly memory: Memory.Memory
  readonly id: number
  readonly lock: string
  readonly demand: Demand

  constructor(memory: Memory.Memory, id: number, lock: string, demand: Demand) {
    this.memory = memory
    this.id = id
    this.lock = lock
    this.demand = demand
  }

  /** Whether the request was entered. Throws if the lock refuses it. */
  enter(orElse: State.Request["orElse"]): boolean {
    const { permits } = this.demand
    const { total } = this.memory
    if (!Number.isInteger(permits) || permits < 1 || permits > total) {
      throw invalid(
        "permits",
        `${textOf(permits)} can't be taken from "${this.lock}", which has ${total}: ask for 1 to ${total}`
      )
    }
    const asked = { key: Memory.ownKey, id: this.id, permits, total, orElse }
    const answer = this.commit((state, woken) => State.request(state, asked, woken))
    switch (answer) {
      case "entered":
        return true
      case "busy":
        return false
      case "unusable":
        throw this.unusable()
      case "forever":
        throw WorkerError.make({ _tag: "WouldBlockForever", lock: this.lock })
      case "full":
        throw LockError.make({
          _tag: "LockFull",
          lock: this.lock,
          problem: `${State.maxRequests} requests hold it or wait already`
        })
    }
  }

  get phase(): State.Phase {
    return Memory.peek(this.memory, (state) => State.phaseOf(state, this.id))
  }

  get word(): number {
    return Memory.peek(this.memory, (state) => State.wakeOf(state, this.id))
  }

  /** The hold of an answered request. */
  claim(asked?: Registry.Asked): Hold {
    const phase = this.phase
    if (phase === State.Phase.gone) throw this.unusable()
    return new Hold(this, phase === State.Phase.heldAfterDeath, asked)
  }

  commit<A>(step: (state: Int32Array, woken: Array<number>) => A): A {
    return Memory.commit(this.memory, this.lock, step)
  }

  withdraw(): void {
    this.commit((state, woken) => State.withdraw(state, this.id, woken))
  }

  get deadThread(): number {
    return Memory.threadOf(Memory.peek(this.memory, State.lastDead))
  }

  unusable(): LockError.LockError {
    return LockError.make({ _tag: "LockUnusable", lock: this.lock, threadId: this.deadThread })
  }
}

/** A granted request. */
export class Hold {
  readonly ownerDied: boolean
  private readonly request: Request
  private readonly asked: Registry.Asked | undefined
  /** `Leaving`: the report of a death is left to the next owner. */
  private state: "Held" | "Leaving" | "Released" = "Held"

  constructor(request: Request, ownerDied: boolean, asked: Registry.Asked | undefined) {
    this.request = request
    this.ownerDied = ownerDied
    this.asked = asked
  }

  get deadThread(): number {
    return this.request.deadThread
  }

  /** Throws after the release, because the declaration would have no effect then. */
  markConsistent(): void {
    if (this.state === "Released") throw WorkerError.make({ _tag: "NotHeld", lock: this.request.lock })
    this.request.commit((state) => State.markConsistent(state, this.request.id))
  }

  /** Leaves the report of a death to the next owner. */
  leaveDeathToNext(): void {
    if (this.state === "Held") this.state = "Leaving"
  }

  /** A second release does nothing. */
  release(): void {
    const { demand, id } = this.request
    const { state } = this
    this.state = "Released"
    if (state === "Released") return
    if (state === "Leaving") this.request.withdraw()
    else this.request.commit((state, woken) => State.release(state, id, demand.strict, woken))
    if (this.asked !== undefined) Registry.leave(this.asked)
  }
}
