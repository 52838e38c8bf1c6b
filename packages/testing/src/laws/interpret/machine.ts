/**
 * A thread as an abstract machine: it goes through a program instruction by instruction, in virtual time, without any
 * runtime, and says what must be observed.
 *
 * A cancel is seen at points: between two instructions outside masks, and while the thread waits. The machine is told at
 * which of its points that is, and counts them, so that whoever asks can try one after another.
 *
 * Invariants:
 * 1. What was acquired in a scope is released when that closes, in reverse, whatever else happens.
 * 2. At a point after the one at which the cancel was seen, the thread ends as well.
 */
import type { Instruction, Program, Release } from "../Program.ts"

/** What can be seen from outside. */
export interface Observable {
  readonly at: number
  readonly what: string
}

/** An exit is a set of reasons, none for a success. */
const ok = 0
export const failed = 1
export const died = 2
export const interrupted = 4

/**
 * When the cancel is asked for, after how much has been observed, and the point at which it is seen. Where a synchronous
 * section runs while it is asked for, that has lasted until then.
 */
export interface Cancel {
  readonly at: number
  readonly before: number
  readonly point: number
}

/** A point that was passed: the time, how much had been observed by then, and whether the thread waited there. */
export interface Mark {
  readonly at: number
  readonly seen: number
  readonly waits: boolean
}

/** What the machine does not know how to do. */
export class Undecided extends Error {}

/** A lease that is held. */
interface Held {
  readonly lease: string
  readonly release: Release
  readonly within: number | null
}

type Of<Tag extends Instruction["_tag"]> = Extract<Instruction, { readonly _tag: Tag }>

export class Machine {
  readonly observed: Array<Observable> = []
  /** The points before the one at which the cancel was seen, and that one, as the last. */
  readonly marks: Array<Mark> = []
  isCancelled = false
  /** All that went wrong on the way, be it that the exit does not say so. */
  wrong: number = ok
  private now = 0
  private leases = 0
  private readonly cancel: Cancel | undefined

  constructor(cancel: Cancel | undefined) {
    this.cancel = cancel
  }

  /** Runs a thread from its beginning to its end. */
  run(program: Program): void {
    const held: Array<Held> = []
    let exit = interrupted
    if (!this.ends(false)) {
      exit = this.block(program, false, held)
      this.ended("the body", exit)
      if (this.ends(false)) exit |= interrupted
    }
    exit |= this.close(held)
    if (this.ends(false)) exit |= interrupted
    this.ended("the thread", exit)
  }

  private observe(what: string): void {
    this.observed.push({ at: this.now, what })
  }

  private ended(what: string, exit: number): void {
    this.wrong |= exit
    this.observe(`${what} ${exit === ok ? "succeeded" : "failed"}`)
  }

  private spinning(): void {
    const { cancel } = this
    this.observe("spinning")
    if (cancel?.before === this.observed.length) this.now = Math.max(this.now, cancel.at)
  }

  /** Whether the thread ends at this point, which is none under a mask. */
  private ends(masked: boolean, sleep = 0): boolean {
    if (masked) return false
    if (this.isCancelled) return true
    const { cancel } = this
    // What is asked for while it waits is seen then.
    const waits = sleep > 0
    this.marks.push({ at: this.now + sleep, seen: this.observed.length, waits })
    if (cancel?.point !== this.marks.length) return false
    this.isCancelled = true
    // While it waits, it is woken when it is cancelled.
    if (waits) this.now = Math.min(Math.max(this.now, cancel.at), this.now + sleep)
    this.marks[this.marks.length - 1] = { at: this.now, seen: this.observed.length, waits }
    return true
  }

  /** Whether the thread ends while it sleeps. */
  private sleepEnds(millis: number, masked: boolean): boolean {
    if (this.ends(masked, millis)) return true
    this.now += millis
    return false
  }

  private block(program: Program, masked: boolean, scope: Array<Held>): number {
    for (const instruction of program) {
      if (this.ends(masked)) return interrupted
      const exit = this.perform(instruction, masked, scope)
      this.wrong |= exit
      if (exit !== ok) return exit
    }
    return this.ends(masked) ? interrupted : ok
  }

  private perform(instruction: Instruction, masked: boolean, scope: Array<Held>): number {
    // What is not listed is left to whoever asks.
    // oxlint-disable-next-line typescript/switch-exhaustiveness-check
    switch (instruction._tag) {
      case "Acquire":
        return this.acquire(instruction, masked, scope)
      case "Sleep":
        return this.sleepEnds(instruction.millis, masked) ? interrupted : ok
      case "Checkpoint":
        if (this.ends(masked)) return interrupted
        this.observe("passed")
        return ok
      case "Spin":
        return this.spin(instruction, masked)
      case "Fail":
        return failed
      case "Mask":
        return this.leaving(this.block(instruction.body, true, scope), masked)
      case "Restore":
        return this.block(instruction.body, false, scope)
      case "Attempt":
        return swallowed(this.block(instruction.body, masked, scope))
      case "Finally": {
        const exit = this.block(instruction.body, masked, scope)
        return this.leaving(after(exit, swallowed(this.block(instruction.cleanup, true, scope))), masked)
      }
      case "Scoped":
        return this.scoped(instruction, masked)
      default:
        throw new Undecided(instruction._tag)
    }
  }

  /** The end of a mask: a failure goes on its way out, and takes the cancel that is seen only now along. */
  private leaving(exit: number, masked: boolean): number {
    return exit !== ok && this.ends(masked) ? exit | interrupted : exit
  }

  private scoped({ body }: Of<"Scoped">, masked: boolean): number {
    const held: Array<Held> = []
    const exit = this.block(body, masked, held)
    const closed = after(exit, this.close(held))
    this.observe("scope closed")
    return this.leaving(closed, masked)
  }

  /** Under a mask of its own, unless it may be interrupted. */
  private acquire(instruction: Of<"Acquire">, masked: boolean, scope: Array<Held>): number {
    const { fails, interruptible, millis, release, within } = instruction
    const lease = String(this.leases++)
    if (this.ends(masked)) return interrupted
    if (this.sleepEnds(millis, masked || !interruptible)) return interrupted
    if (fails) {
      this.observe(`failed to acquire ${lease}`)
      if (interruptible && this.ends(masked)) return interrupted
      return this.leaving(failed, masked)
    }
    if (interruptible && this.ends(masked)) return interrupted
    // When exactly one that may be interrupted has been acquired is known to nobody but the adapter.
    if (!interruptible) this.observe(`acquired ${lease}`)
    scope.push({ lease, release, within })
    return ok
  }

  private spin({ how }: Of<"Spin">, masked: boolean): number {
    const shielded = masked || how === "uninterruptible"
    this.spinning()
    // Where it can be ended while it runs.
    if (how === "interruptible" && this.ends(shielded)) return interrupted
    this.observe("spun")
    return ok
  }

  private close(held: ReadonlyArray<Held>): number {
    let exit = ok
    for (const one of held.toReversed()) exit |= this.release(one)
    this.wrong |= exit
    return exit
  }

  private release({ lease, release, within }: Held): number {
    const millis = release._tag === "Slow" ? release.millis : release._tag === "Hang" ? Infinity : 0
    const end = this.now + Math.min(millis, within ?? Infinity)
    // It is given up, and ends by itself a little later.
    const isCut = this.now + millis > end
    this.observe(isCut ? `releasing ${lease}, to be cut` : `releasing ${lease}`)
    if (release._tag === "Spawn" || release._tag === "Cancel")
      throw new Undecided(`a release that does ${release._tag}`)
    if (release._tag === "Spin") {
      this.spinning()
      this.observe("spun")
    } else this.now = end
    if (isCut) return died
    const fails = release._tag === "Fail" || release._tag === "Die"
    this.observe(`released ${lease}, ${fails ? "failed" : "ok"}`)
    return fails ? died : ok
  }
}

/** A finalizer that fails takes the place of what it comes after. */
const after = (exit: number, finalizer: number): number => (finalizer === ok ? exit : finalizer)

/** What was failed with is caught. */
const swallowed = (exit: number): number => {
  if (exit !== failed && (exit & failed) !== 0) throw new Undecided("what is caught where several things went wrong")
  return exit === failed ? ok : exit
}
