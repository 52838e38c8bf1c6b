import { Blocking, Deadline, Lease, Thread } from "@quiesce/core"
import { SharedMutex } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { expect, it } from "vitest"

const endless = (): never => {
  for (;;);
}

it("SharedMutex.lockSync in a section on a fiber that is ended at its deadline passes the lock on with the report of a death", () =>
  Effect.gen(function* () {
    const outside = yield* SharedMutex.make({ name: "outside" })
    const inside = yield* SharedMutex.make({ name: "inside" })
    const kept = SharedMutex.lockSync(outside)
    const progress = { isLocked: false }
    const section = Blocking.interruptible(() => {
      SharedMutex.lockSync(inside)
      progress.isLocked = true
      endless()
    })
    const attempt = (millis: number) =>
      Effect.gen(function* () {
        const thread = yield* Thread.spawn(Effect.flip(Deadline.within(section, millis)), { startImmediately: true })
        return { error: yield* Thread.join(thread), tally: yield* Lease.tally(thread) }
      })
    let ended = yield* attempt(20)
    // On a busy machine, the deadline may pass before the section has the lock.
    for (let millis = 40; !progress.isLocked; millis *= 2) ended = yield* attempt(millis)
    expect(ended.error).toMatchObject({ _tag: "DeadlineExceeded" })
    expect(ended.tally).toMatchObject({ acquired: 1, lost: 1 })
    const next = SharedMutex.lockSync(inside, { timeout: 1000 })
    expect(next.ownerDied).toBe(true)
    expect(yield* SharedMutex.status(outside)).toMatchObject({ held: 1 })
    kept.release()
  }).pipe(Effect.scoped, Effect.runPromise))

it("SharedMutex.lockSync in a section on a fiber that ends by itself keeps the lock until its release", () =>
  Effect.gen(function* () {
    const mutex = yield* SharedMutex.make({ name: "mutex" })
    const section = Deadline.within(
      Blocking.interruptible(() => SharedMutex.lockSync(mutex)),
      "1 minute"
    )
    const thread = yield* Thread.spawn(section, { startImmediately: true })
    const guard = yield* Thread.join(thread)
    expect(yield* SharedMutex.status(mutex)).toMatchObject({ held: 1 })
    guard.release()
    expect(SharedMutex.lockSync(mutex).ownerDied).toBe(false)
  }).pipe(Effect.scoped, Effect.runPromise))
