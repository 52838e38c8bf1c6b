/**
 * A token for synchronous code such as loops: two flags, and a check that throws.
 *
 * A token reads the state of a thread or a signal. In a worker it also reads shared memory, which changes while the loop
 * runs. The idea is the stop flag of many languages' threads (C++ `std::stop_token`, .NET `CancellationToken`).
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as CancelReason from "./CancelReason.ts"
import * as Deadline from "./Deadline.ts"
import { signalGiven } from "./internal/abortSignals.ts"
import { CurrentNode } from "./internal/currentThread.ts"
import { isUnmasked } from "./internal/effectInternals.ts"
import { pendingReason } from "./internal/pendingReason.ts"
import { isReleasing } from "./internal/release.ts"
import type { Checks, ThreadNode } from "./internal/threadNode.ts"

/**
 * The flags that synchronous code polls. `interrupted` implies `stopRequested`. `check` throws the reason's `CancelError`
 * if the work was interrupted or its deadline has passed, and is cheap enough for a hot loop.
 *
 * In the release of a lease and in any uninterruptible code, `check` does not throw for a cancel of the thread, because the
 * cancel waits for the end of that code. The flags still show the cancel. `check` throws there only if a deadline has
 * passed; in a release, only a deadline of the release itself counts.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface StopToken {
  readonly stopRequested: boolean
  readonly interrupted: boolean
  readonly reason: CancelReason.CancelReason | undefined
  readonly check: () => void
}

/**
 * The token of the current thread.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const current: Effect.Effect<StopToken> = /* @__PURE__ */ Effect.withFiber((fiber) => {
  return Effect.succeed(new NodeToken(fiber.getRef(CurrentNode), fiber))
})

/**
 * The number of checks of a thread for each look at the clock and at shared memory. Both numbers are odd, so that two
 * tokens with alternating checks both look. `notified` is for threads whose counter is set to 0 by each request.
 */
const stride = { polling: 63, notified: 4095 } as const

/**
 * A set of one element, whose `forEach` calls a callback once. If a check called the look as a method, V8 would copy the
 * look into a hot loop, and the loop would be 12 % slower. V8 copies no callback of a set. Each token has the set in a
 * field, because V8 would otherwise check in the loop that this module has been loaded.
 */
const once: ReadonlySet<undefined> = /* @__PURE__ */ new Set([undefined])

function look(this: NodeToken): void {
  this.look()
}

class NodeToken implements StopToken {
  private readonly node: ThreadNode
  private readonly deadline: number
  private readonly clock: Clock.Clock
  private readonly checks: Checks
  private readonly stride: number
  private readonly once: ReadonlySet<undefined> = once
  private readonly isReleasing: boolean
  /** Whether the token was made in a release, or in the cleanup of a cancelled thread. */
  private readonly isOfCleanup: boolean

  constructor(node: ThreadNode, fiber: Fiber.Fiber<unknown, unknown>) {
    const deadline = fiber.getRef(Deadline.Current)
    this.node = node
    this.deadline = deadline
    this.clock = fiber.getRef(Clock.Clock)
    this.isReleasing = isReleasing(fiber)
    this.isOfCleanup = this.isReleasing || (node.isCancelled && !isUnmasked(fiber))
    this.checks = node.checks ??= new Int32Array(1)
    const isNotified = node.flags === undefined || node.flags.checks === this.checks
    this.stride = isNotified && deadline === Infinity ? stride.notified : stride.polling
    // The thread's other tokens, which need not poll, may have left a large number.
    if (this.stride === stride.polling) this.checks[0] = 0
  }

  get stopRequested(): boolean {
    return this.node.reason !== undefined || this.node.flags?.stopRequested === true || this.late
  }

  get interrupted(): boolean {
    return this.node.isCancelled || this.node.flags?.interrupted === true || this.late
  }

  get reason(): CancelReason.CancelReason | undefined {
    const { node } = this
    // A thread that was only asked to stop is interrupted by its deadline, and not by the request.
    const isAsked = node.reason !== undefined && (node.isCancelled || node.flags?.interrupted === true || !this.late)
    if (isAsked) return node.reason
    if (this.late) return CancelReason.deadlineExceeded(this.deadline)
    return node.flags?.stopRequested === true ? (this.above ?? pendingReason) : undefined
  }

  /** The reason of the nearest ancestor that shares the flags and has received the request. */
  private get above(): CancelReason.CancelReason | undefined {
    const { flags, parentNode } = this.node
    for (let node = parentNode; node !== undefined && node.flags === flags; node = node.parentNode) {
      if (node.reason !== undefined) return node.reason
    }
    return undefined
  }

  /** A method, because the engine inlines a method better than a closure. */
  check(): void {
    // The array has one element.
    if (--this.checks[0]! < 0) this.once.forEach(look, this)
  }

  look(): void {
    // Set before the look, because a later request sets the counter to 0 again.
    this.checks[0] = this.stride - 1
    if (!this.interrupted) return
    this.checks[0] = 0
    const reason = this.due
    if (reason !== undefined) throw CancelReason.toError(reason)
  }

  /** The reason for which the running code has to end. A cancel waits for the end of a release or a mask. */
  private get due(): CancelReason.CancelReason | undefined {
    const { node } = this
    // No fiber runs around a section of a worker, which begins only where the thread is not shielded.
    const fiber = Fiber.getCurrent()
    const isInRelease = this.isReleasing || (fiber !== undefined && isReleasing(fiber))
    const isShielded = isInRelease || this.isOfCleanup || (fiber !== undefined && !isUnmasked(fiber))
    const isCancelled = node.isCancelled || node.flags?.interrupted === true
    if (isCancelled && !isShielded) return this.reason
    // The deadline of a token from outside does not hold in a release.
    return this.late && isInRelease === this.isReleasing ? CancelReason.deadlineExceeded(this.deadline) : undefined
  }

  private get late(): boolean {
    return this.deadline !== Infinity && this.clock.currentTimeMillisUnsafe() >= this.deadline
  }
}

/**
 * A token of a signal, for which stop and interrupt are the same.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fromSignal = (signal: AbortSignal): StopToken =>
  new SignalToken(signalGiven("StopToken.fromSignal", signal))

class SignalToken implements StopToken {
  private readonly signal: AbortSignal

  constructor(signal: AbortSignal) {
    this.signal = signal
  }

  get stopRequested(): boolean {
    return this.signal.aborted
  }

  get interrupted(): boolean {
    return this.signal.aborted
  }

  get reason(): CancelReason.CancelReason | undefined {
    return this.signal.aborted ? CancelReason.fromUnknown(this.signal.reason) : undefined
  }

  readonly check = (): void => {
    if (this.signal.aborted) throw CancelReason.toError(CancelReason.fromUnknown(this.signal.reason))
  }
}
