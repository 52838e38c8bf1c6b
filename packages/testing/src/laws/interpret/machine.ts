/**
 * A thread as an abstract machine. The machine runs a program instruction by instruction, in virtual time and without any
 * runtime, and returns the expected observations.
 *
 * A thread notices a cancel at points: between two instructions outside masks, and during a wait. The caller names the point
 * at which the machine notices the cancel. The machine counts its points, so that the caller can try one after another.
 *
 * Invariants:
 * 1. The leases of a scope are released in reverse order when the scope closes, in all cases.
 * 2. At each point after the noticed cancel, the thread ends as well.
 */
import type { Instruction, Program, Release } from "../Program.ts"

/** The observations from outside. */
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
 * The time of the cancel, the number of observations before, and the point at which the thread notices the cancel. A
 * synchronous section that runs at the cancel has lasted until then.
 */
export interface Cancel {
  readonly at: number
  readonly before: number
  readonly point: number
}

/** A passed point: the time, the number of observations before, and whether the thread waited there. */
export interface Mark {
  readonly at: number
  readonly seen: number
  readonly waits: boolean
}

/** The error for an instruction that the machine does not know. */
export class Undecided extends Error {}

/** A held lease. */
interface Held {
  readonly lease: string
  readonly release: Release
  readonly within: number | null
}

type Of<Tag extends Instruction["_tag"]> = Extract<Instruction, { readonly _tag: Tag }>

export class Machine {
  readonly observed: Array<Observable> = []
  /** The points up to the noticed cancel, which is the last. */
  readonly marks: Array<Mark> = []
  isCancelled = false
  /** All failures of the run, also failures that the exit does not contain. */
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

  /** Whether the thread ends at this point. A mask has no points. */
  private ends(masked: boolean, sleep = 0): boolean {
    if (masked) return false
    if (this.isCancelled) return true
    const { cancel } = this
    // A cancel during a wait is noticed at once.
    const waits = sleep > 0
    this.marks.push({ at: this.now + sleep, seen: this.observed.length, waits })
    if (cancel?.point !== this.marks.length) return false
    this.isCancelled = true
    // A cancel wakes a waiting thread.
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
    // Other instructions are undecided.
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

  /** The end of a mask. A failure propagates, together with a cancel that is noticed only now. */
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

  /** Runs under a mask of its own, unless the acquire is interruptible. */
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
    // Only the adapter knows the exact time of an interruptible acquire.
    if (!interruptible) this.observe(`acquired ${lease}`)
    scope.push({ lease, release, within })
    return ok
  }

  private spin({ how }: Of<"Spin">, masked: boolean): number {
    const shielded = masked || how === "uninterruptible"
    this.spinning()
    // The section can be ended while it runs.
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
    // The release is given up, and ends by itself a little later.
    const isCut = this.now + millis > end
    this.observe(isCut ? `releasing ${lease}, to be cut` : `releasing ${lease}`)
    if (release._tag === "Spawn" || release._tag === "Cancel" || release._tag === "Poll")
      throw new Undecided(`a release that does ${release._tag}`)
    if (release._tag === "Spin") {
      this.spinning()
      this.observe("spun")
    } else this.now = end
    if (isCut) return died
    const fails = failing.has(release._tag)
    this.observe(`released ${lease}, ${fails ? "failed" : "ok"}`)
    return fails ? died : ok
  }
}

const failing: ReadonlySet<Held["release"]["_tag"]> = new Set(["Fail", "Die", "Throw", "NoEffect"] as const)

/** The failure of a finalizer replaces the earlier result. */
const after = (exit: number, finalizer: number): number => (finalizer === ok ? exit : finalizer)

/** The failure is caught. */
const swallowed = (exit: number): number => {
  if (exit !== failed && (exit & failed) !== 0) throw new Undecided("what is caught where several things went wrong")
  return exit === failed ? ok : exit
}
