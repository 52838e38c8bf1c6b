/**
 * Interprets a program as a plain function, with only the context that such a function gets.
 *
 * The function runs its code at once up to the first promise, and so is synchronous as long as its program does not wait.
 * Its `finally` blocks are those of a function: an end by force skips them. Nothing here loads Effect.
 */
import type { Task } from "@quiesce/worker-threads"
import type { Instruction, Program } from "@quiesce/testing/laws/Program"
import type { Given } from "../workers/TestPool.ts"
import * as Leases from "./plainLeases.ts"
import * as Loops from "./plainLoops.ts"
import {
  type Code,
  type Held,
  type Of,
  PlainRun,
  type PlainWorker,
  type Position,
  stopped,
  thread
} from "./plainRun.ts"
import { reasonOf } from "./plainWords.ts"

/** Calls the function. */
export const call = (given: Given, context: Task.TaskContext, worker: PlainWorker): unknown =>
  new PlainInterpretation(new PlainRun(given, context, worker)).call()

class PlainInterpretation {
  private readonly run: PlainRun

  constructor(run: PlainRun) {
    this.run = run
  }

  call(): unknown {
    this.run.worker.harness.begin(this.run)
    const code = this.body()
    try {
      const first = code.next()
      this.run.isSync = false
      return first.done === true ? this.run.settled() : this.follow(code, first.value)
    } catch (error) {
      this.run.settled()
      throw error
    }
  }

  private follow(code: Code, first: PromiseLike<unknown>): Promise<void> {
    const followed = this.followed(code, first)
    if (this.run.worker.fault !== "settles before it has released") return followed
    const { signal } = this.run.context
    const aborted = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
    return Promise.race([followed, aborted])
  }

  private async followed(code: Code, first: PromiseLike<unknown>): Promise<void> {
    try {
      let awaited = first
      for (;;) {
        const next = await awaited.then(
          (value) => code.next(value),
          (error: unknown) => code.throw(error)
        )
        if (next.done === true) return
        awaited = next.value
      }
    } finally {
      this.run.settled()
    }
  }

  private *body(): Code {
    const place: Position = { scope: thread, held: [], masked: false, locked: false, stops: false }
    this.run.note({ _tag: "Started", thread })
    try {
      try {
        yield* this.noted(place)
      } finally {
        yield* Leases.release(this.run, place.held)
      }
    } catch (error) {
      if (this.run.worker.fault === "runs twice" && this.run.isCancelled) yield* this.noted({ ...place, masked: true })
      throw this.run.leaving(place, error)
    }
    yield* this.run.point(place)
  }

  private *noted(place: Position): Code {
    let thrown: unknown
    try {
      yield* this.block(place, this.run.given.scenario.program)
    } catch (error) {
      thrown = error
      throw error
    } finally {
      this.run.note({ _tag: "BodyEnded", thread, error: thrown })
    }
  }

  private *block(place: Position, program: Program): Code {
    for (const instruction of program) {
      yield* this.run.point(place)
      yield* this.perform(place, instruction)
    }
    yield* this.run.point(place)
  }

  private *perform(place: Position, instruction: Instruction): Code {
    // The programs of this adapter have no other instructions.
    // oxlint-disable-next-line typescript/switch-exhaustiveness-check
    switch (instruction._tag) {
      case "Acquire":
        return yield* Leases.acquire(this.run, place, instruction)
      case "Sleep":
        return yield* this.run.sleep(place, instruction.millis)
      case "Checkpoint":
        this.run.check(place)
        return this.run.note({ _tag: "Passed", thread, masked: place.masked, cancelled: this.run.isCancelled })
      case "Spin":
        return Loops.spin(this.run, place, instruction.how)
      case "Poll":
        return Loops.poll(this.run, place, instruction.millis)
      case "Crash":
        return yield* Loops.crash(this.run, instruction.how)
      case "Fail":
        throw new Error(`${thread} failed`)
      case "Lock":
        return yield* this.lock(place, instruction.body)
      case "Promise":
        return yield* this.promise(place, instruction.millis)
      default:
        return yield* this.nested(place, instruction as Of<"Scoped">)
    }
  }

  private *nested(
    place: Position,
    instruction: Of<"Scoped" | "Mask" | "Restore" | "Attempt" | "Finally" | "UntilStopped">
  ): Code {
    const { body } = instruction
    switch (instruction._tag) {
      case "Scoped":
        return yield* this.scoped(place, body)
      case "Mask":
        return yield* this.masked(place, body)
      case "Restore":
        return yield* this.block({ ...place, masked: false }, body)
      case "Attempt":
        try {
          return yield* this.block(place, body)
        } catch (error) {
          // Outside masks also a cancel is caught. The next checkpoint throws again.
          if (error === stopped || (place.masked && reasonOf(error) !== undefined)) throw error
          return
        }
      case "Finally":
        return yield* this.cleanedUp(place, instruction)
      case "UntilStopped":
        try {
          return yield* this.block({ ...place, stops: true }, body)
        } catch (error) {
          if (error !== stopped) throw error
          return
        }
    }
  }

  private *scoped(place: Position, body: Program): Code {
    const scope = `${thread}#${++this.run.ids}`
    const held: Array<Held> = []
    try {
      try {
        yield* this.block({ ...place, scope, held }, body)
      } finally {
        yield* Leases.release(this.run, held)
      }
    } catch (error) {
      throw this.run.leaving(place, error)
    } finally {
      this.run.note({ _tag: "ScopeClosed", thread, scope, live: [] })
    }
  }

  private *masked(place: Position, body: Program): Code {
    try {
      yield* this.block({ ...place, masked: true }, body)
    } catch (error) {
      throw this.run.leaving(place, error)
    }
    this.run.check(place)
    if (!place.masked && this.run.isCancelled) this.run.note({ _tag: "MaskLost", thread })
  }

  private *cleanedUp(place: Position, { body, cleanup }: Of<"Finally">): Code {
    this.run.guards++
    try {
      yield* this.block(place, body)
    } catch (error) {
      throw this.run.leaving(place, error)
    } finally {
      yield* this.cleanUp(place, cleanup)
      this.run.guards--
    }
  }

  /** An error of a cleanup is ignored, and a cancel is not. */
  private *cleanUp(place: Position, program: Program): Code {
    try {
      yield* this.block({ ...place, masked: true }, program)
    } catch (error) {
      if (reasonOf(error) !== undefined) throw error
    }
  }

  // ---- Shared state and promises ----

  private *lock(place: Position, body: Program): Code {
    if (place.locked) return yield* this.block(place, body)
    const guard = this.run.worker.lock!(this.run.given.mutex)
    this.run.note({ _tag: "Locked", thread })
    try {
      yield* this.block({ ...place, locked: true }, body)
    } finally {
      this.run.note({ _tag: "Unlocked", thread })
      if (this.run.worker.fault !== "leaves its lock locked" || !this.run.isCancelled) guard.release()
    }
  }

  private *promise(place: Position, millis: number): Code {
    const id = ++this.run.ids
    const { signal } = this.run.context
    const onAbort = (): void => {
      const reason = reasonOf(signal.reason)
      if (reason !== undefined) this.run.note({ _tag: "PromiseAborted", thread, id, reason })
    }
    this.run.note({ _tag: "PromiseBegan", thread, id, settle: null })
    signal.addEventListener("abort", onAbort)
    const settled = new Promise<void>((resolve) => {
      this.run.timers.after(millis, () => {
        this.run.note({ _tag: "PromiseSettled", thread, id })
        resolve()
      })
    })
    try {
      yield this.run.worker.fault === "leaves promises behind"
        ? Promise.race([settled, this.run.interruptible(millis)])
        : settled
    } finally {
      signal.removeEventListener("abort", onAbort)
      this.run.note({ _tag: "PromiseLeft", thread, id })
    }
    this.run.check(place)
  }
}
