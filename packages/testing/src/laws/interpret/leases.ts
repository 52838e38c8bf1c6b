/** Instructions that acquire, synchronous sections, and crashes. */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Thread from "@quiesce/core/Thread"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { Program, Release, Spin } from "../Program.ts"
import type { Work } from "../Subject.ts"
import { interrupt } from "./children.ts"
import type { Of, Position, Scoped } from "./position.ts"

/** The spawn of a thread by a release. */
type Spawn = (place: Position, program: Program, options: object) => Work<unknown, Scope.Scope>

export const acquire = (place: Position, instruction: Of<"Acquire">, spawn: Spawn): Scoped =>
  Effect.withFiber((fiber) => {
    const { world, thread } = place
    const scope = Context.getUnsafe(fiber.context as Context.Context<Scope.Scope>, Scope.Scope)
    const lease = `${thread}/${place.own.leases++}`
    let noted = false
    const acquired = (): string => {
      if (!noted) world.note({ _tag: "Acquired", thread, lease, scope: place.scope, unsure: instruction.interruptible })
      noted = true
      return lease
    }
    const made = world.subject.lease({
      name: lease,
      acquire: Effect.flatMap(Effect.sleep(instruction.millis), () => {
        if (instruction.fails) {
          world.note({ _tag: "AcquireFailed", thread, lease })
          return Effect.fail(`${lease} was not acquired`)
        }
        // A masked acquire is recorded in the step of its success. An interruptible acquire succeeds only in its last step,
        // so it is recorded when the subject has the lease.
        return Effect.succeed(instruction.interruptible ? lease : acquired())
      }),
      release: (_, exit) => {
        if (instruction.interruptible) acquired()
        noteReleasing(place, lease, exit, scope)
        const how = instruction.release
        return how._tag === "Throw" || how._tag === "NoEffect"
          ? brokenRelease(place, lease, how)
          : release(place, lease, how, spawn)
      },
      releaseWithin: instruction.within ?? undefined,
      interruptible: instruction.interruptible
    })
    return Effect.map(made, acquired)
  })

const noteReleasing = (place: Position, lease: string, exit: Exit.Exit<unknown, unknown>, scope: Scope.Scope): void => {
  const { thread, world } = place
  const reason = Option.getOrUndefined(CancelReason.fromExit(exit))
  const isClosed = scope.state._tag === "Closed"
  world.note({ _tag: "Releasing", thread, lease, reason, uninterrupted: uninterrupted(place, isClosed) })
}

/**
 * The threads that run uninterrupted and might use a lease. Only a shutdown that abandons a thread releases a lease of an open
 * scope. The scope of a thread closes after its children have ended. Children outside an inner scope run on when that scope
 * closes.
 */
const uninterrupted = ({ scope, thread, world }: Position, isClosed: boolean): ReadonlyArray<string> => {
  if (isClosed && (scope !== thread || (thread === "t" && world.ownScope))) return []
  const below = world.liveBelow(thread)
  // The parent records a thread after the spawn, and may be delayed until the thread is abandoned.
  const running = isClosed || !world.threads.has(thread) ? below : [thread, ...below]
  return running.filter((name) => !world.isCancelled(name))
}

type Broken = Extract<Release, { readonly _tag: "Throw" | "NoEffect" }>

/** The function of a release that makes no effect. */
const brokenRelease = ({ thread, world }: Position, lease: string, how: Broken): Scoped => {
  world.note({ _tag: "Released", thread, lease, how: "failed" })
  if (how._tag === "Throw") throw new Error("a release threw")
  // The mistake of a caller without types.
  return (how.gives === "promise" ? Promise.resolve() : undefined) as unknown as Scoped
}

const release = (place: Position, lease: string, how: Exclude<Release, Broken>, spawn: Spawn): Scoped => {
  const { world, thread } = place
  return Effect.onExit(releasing(place, how, spawn), (ended) =>
    world.noting(() => ({
      _tag: "Released",
      thread,
      lease,
      how: Exit.isSuccess(ended) ? "ok" : Exit.hasInterrupts(ended) ? "cut" : "failed"
    }))
  )
}

const releasing = (place: Position, how: Exclude<Release, Broken>, spawn: Spawn): Scoped => {
  switch (how._tag) {
    case "Ok":
      return Effect.void
    case "Fail":
      return Effect.fail("a release failed")
    case "Die":
      return Effect.die("a release died")
    case "Slow":
      return Effect.sleep(how.millis)
    case "Hang":
      return Effect.never
    case "Spin":
      return spin(place, how.how ?? "plain", true)
    case "Poll":
      return poll(place, how.millis)
    case "Spawn":
      return Effect.ignore(spawn(place, [{ _tag: "Sleep", millis: 1 }], {}))
    case "Cancel":
      return Effect.suspend(() => {
        const self = place.world.threads.get(place.thread)
        if (self === undefined) return Effect.void
        // A thread that runs elsewhere does not know its own handle, and would wait for itself.
        return Effect.flatMap(Thread.current, (current) =>
          interrupt(place.world, self, "from a finalizer", current === self.thread)
        )
      })
  }
}

/** A lease that the host keeps. */
export const keep = (place: Position): Scoped =>
  Effect.suspend(() => {
    const { scope, thread, world } = place
    const lease = `${thread}/${place.own.leases++}`
    return world.subject.keep(lease, {
      thread,
      scope,
      acquired: world.noting(() => ({ _tag: "Acquired", thread, lease, scope })),
      releasing: (exit) =>
        world.noting(() => ({
          _tag: "Releasing",
          thread,
          lease,
          reason: Option.getOrUndefined(CancelReason.fromExit(exit))
        })),
      released: world.noting(() => ({ _tag: "Released", thread, lease, how: "ok" }))
    })
  })

/** A synchronous section. It records its beginning and its end itself, because code that is ended by force records nothing. */
export const spin = (place: Position, how: Spin, releasing: boolean): Work =>
  Effect.suspend(() => {
    const { masked, thread, world } = place
    const id = world.nextId()
    return world.subject.spin(how, () => {
      const shielded = masked || releasing || how === "uninterruptible"
      world.note({ _tag: "Spinning", thread, id, how, shielded })
      world.spin(how, shielded)
      world.note({ _tag: "Spun", thread, id })
    })
  })

/** The number of checks after which a token looks at the clock. */
const stride = 64

/** A synchronous section that polls its token while time passes. */
export const poll = ({ thread, world }: Position, millis: number): Work =>
  Effect.suspend(() => {
    const id = world.nextId()
    return world.subject.poll((token) => {
      world.note({ _tag: "Polling", thread, id })
      try {
        for (let passed = 0; ; passed++) {
          for (let check = 0; check < stride; check++) token.check()
          if (passed >= millis) break
          world.clock.pass(1)
        }
      } finally {
        world.note({ _tag: "Polled", thread, id })
      }
    })
  })

export const crash = ({ thread, world }: Position, how: "exit" | "throw"): Work =>
  Effect.andThen(
    world.noting(() => ({ _tag: "Crashing", thread })),
    world.subject.crash(how)
  )
