/**
 * Runs a program as an effect on a subject, and records the events.
 *
 * A thread's name is its path: `t`, its second child `t.1`. A lease's name is that of its thread and a number.
 */
import * as Deadline from "@quiesce/core/Deadline"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { withChild } from "./children.ts"
import { busy } from "./busy.ts"
import { acquire, crash, keep, poll, spin } from "./leases.ts"
import { escalation, type Of, type Position, type Scoped, state } from "./position.ts"
import { shared } from "./sharedState.ts"
import type { Climb, Instruction, Program } from "../Program.ts"
import type { AnyThread, Work } from "../Subject.ts"
import { errors, type NamedThread, type Letter, type World } from "../World.ts"

/** The body of the thread `name`. */
export const body = (world: World, name: string, program: Program): Scoped =>
  Effect.suspend(() => {
    world.note({ _tag: "Started", thread: name })
    const own = { children: [], leases: 0, spawned: 0, cancelledIn: undefined }
    const place = {
      world,
      thread: name,
      scope: name,
      outerScope: undefined,
      outerName: name,
      masked: false,
      locked: false,
      own
    }
    return Effect.onExit(block(place, program), (exit) =>
      world.noting(() => ({ _tag: "BodyEnded", thread: name, exit }))
    )
  })

const block = (place: Position, program: Program): Scoped =>
  Effect.forEach(
    program,
    (instruction) => {
      notice(place)
      return perform(place, instruction)
    },
    { discard: true }
  )

/** Records the task in which the thread is first seen cancelled, if interrupts may wait for the end of a task. */
const notice = ({ own, thread, world }: Position): void => {
  if (world.task !== undefined && own.cancelledIn === undefined && world.isCancelled(thread))
    own.cancelledIn = world.task()
}

const perform = (place: Position, instruction: Instruction): Scoped => {
  // The last case has the other instructions.
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check
  switch (instruction._tag) {
    case "Acquire":
    case "Keep":
      return instruction._tag === "Keep" ? keep(place) : acquire(place, instruction, spawn)
    case "Sleep":
      return sleep(place, instruction.millis)
    case "Checkpoint":
      return checkpoint(place)
    case "Spin":
    case "Poll":
    case "Busy":
      return section(place, instruction)
    case "Crash":
      return crash(place, instruction.how)
    case "Fail":
      return Effect.fail(`${place.thread} failed`)
    case "Join":
    case "Interrupt":
    case "Stop":
    case "Shutdown":
    case "Raise":
      return withChild(place, instruction)
    case "Send":
    case "Take":
    case "Lock":
    case "Promise":
      return shared(place, instruction, block)
    case "Chain":
      return spawn(place, link(instruction.depth), {})
    case "Fork":
    case "Group":
      return instruction._tag === "Fork" ? fork(place, instruction) : group(place, instruction)
    default:
      return nested(place, instruction)
  }
}

const section = (place: Position, instruction: Of<"Spin" | "Poll" | "Busy">): Work => {
  if (instruction._tag === "Spin") return spin(place, instruction.how, false)
  return (instruction._tag === "Poll" ? poll : busy)(place, instruction.millis)
}

const checkpoint = (place: Position): Work => {
  const { subject } = place.world
  return Effect.flatMap(Effect.andThen(subject.checkpoint, subject.hasArrived), (arrived) =>
    place.world.noting(() => ({ _tag: "Passed", thread: place.thread, ...state(place, arrived) }))
  )
}

const sleep = (place: Position, millis: number): Work => {
  const work = Effect.sleep(millis)
  if (!place.masked) return work
  return Effect.onInterrupt(work, () => place.world.noting(() => ({ _tag: "MaskBroken", thread: place.thread })))
}

// ---- Blocks ----

const nested = (
  place: Position,
  instruction: Of<"Scoped" | "Mask" | "Restore" | "Attempt" | "Finally" | "Deadline" | "Receive" | "UntilStopped">
): Scoped => {
  const { world } = place
  const inner = block(instruction._tag === "Mask" ? { ...place, masked: true } : place, instruction.body)
  switch (instruction._tag) {
    case "Scoped":
      return scoped(place, instruction.body)
    case "Mask":
      return mask(place, inner)
    case "Restore":
      return world.subject.restore(block({ ...place, masked: false }, instruction.body))
    case "Attempt":
      return Effect.ignore(Effect.catchCause(inner, caught))
    case "Finally":
      return Effect.onExit(inner, () => Effect.ignore(block({ ...place, masked: true }, instruction.cleanup)))
    case "Deadline":
      return deadline(place, instruction.millis, instruction.body)
    case "Receive":
      return receive(place, instruction.error, instruction.body)
    case "UntilStopped":
      return world.subject.untilStopped(inner)
  }
}

/** Catches an interruption. The code after it runs only if the fiber itself was not interrupted. */
const caught = <E>(cause: Cause.Cause<E>): Effect.Effect<void, E> =>
  Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.failCause(cause)

const mask = (place: Position, inner: Scoped): Scoped => {
  const { own, thread, world } = place
  let cancelledBefore: number | undefined
  const begin = Effect.sync(() => {
    notice(place)
    cancelledBefore = own.cancelledIn
  })
  const work = world.task === undefined ? inner : Effect.andThen(begin, inner)
  return Effect.flatMap(Effect.andThen(world.subject.mask(work), world.subject.hasArrived), (arrived) =>
    Effect.sync(() => {
      const { masked, cancelled } = state(place, arrived)
      if (masked || !cancelled) return
      // One task has no wait. So the thread has not waited since it was first seen cancelled.
      const woken = cancelledBefore !== undefined && cancelledBefore === world.task?.()
      world.note({ _tag: "MaskLost", thread, woken })
    })
  )
}

const scoped = (place: Position, program: Program): Scoped =>
  Effect.flatMap(Scope.Scope, (outerScope) => {
    const { world, thread } = place
    const scope = `${thread}#${world.nextId()}`
    return Effect.onExit(Effect.scoped(block({ ...place, scope, outerScope, outerName: place.scope }, program)), () =>
      world.noting(() => ({ _tag: "ScopeClosed", thread, scope, live: world.liveIn(scope) }))
    )
  })

const deadline = (place: Position, millis: number, program: Program): Scoped => {
  const { world, thread } = place
  return Effect.withFiber((fiber) => {
    const id = world.nextId()
    const outer = fiber.getRef(Deadline.Current)
    const smallest = (): number => Math.min(outer, world.clock.currentTimeMillisUnsafe() + millis)
    const due = smallest()
    const inner = Effect.withFiber((inside) => {
      world.note({ _tag: "DeadlineBegan", thread, id, due: inside.getRef(Deadline.Current), latest: smallest() })
      return block(place, program)
    })
    return Effect.onExit(world.subject.deadline(inner, millis), (exit) =>
      world.noting(() => ({
        _tag: "DeadlineEnded",
        thread,
        id,
        due,
        interrupted: Exit.isFailure(exit) && Exit.hasInterrupts(exit),
        exceeded:
          Exit.isFailure(exit) && String(Cause.squash(exit.cause)).includes(`within its deadline of ${millis} ms`)
      }))
    )
  })
}

const receive = (place: Position, error: "A" | "B", program: Program): Scoped =>
  Effect.suspend(() => {
    const { world, thread } = place
    const region = world.nextId()
    const work = world.subject.receive(block(place, program), errors[error])
    return Effect.catchIf(
      work,
      (failure): failure is Letter => failure instanceof errors[error],
      (failure) => world.noting(() => ({ _tag: "Received", thread, letter: failure.letter, region }))
    )
  })

// ---- Threads ----

const spawn = (
  place: Position,
  program: Program,
  options: { readonly immediately?: boolean; readonly climb?: Climb | null; readonly scope?: string },
  start?: (effect: Scoped, options: Parameters<World["subject"]["spawn"]>[1]) => Work<AnyThread, Scope.Scope>
): Work<NamedThread, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.suspend(() => {
      const { world, own, thread } = place
      const name = `${thread}.${own.spawned++}`
      const given = {
        name,
        startImmediately: options.immediately,
        escalation: options.climb == null ? undefined : escalation(options.climb)
      }
      return Effect.flatMap(
        Effect.onError((start ?? world.subject.spawn)(body(world, name, program), given), () =>
          world.noting(() => ({ _tag: "Refused", thread, name }))
        ),
        (child) => {
          const known = { name, thread: child, scope: options.scope ?? place.scope }
          own.children.push(known)
          // Read now, so that the signals exist from the start.
          if (own.spawned % 2 === 0) void child.stopSignal
          return Effect.as(world.admit(known, thread), known)
        }
      )
    })
  )

/** The body of a thread in a chain. It ends only with its parent. */
const link = (depth: number): Program => [
  { _tag: "Acquire", release: { _tag: "Ok" }, within: null, millis: 0, fails: false, interruptible: false },
  ...(depth > 1 ? [{ _tag: "Chain", depth: depth - 1 } as const] : []),
  { _tag: "Sleep", millis: 1000 }
]

const fork = (place: Position, instruction: Of<"Fork">): Scoped => {
  const options = { immediately: instruction.immediately, climb: instruction.escalation }
  if (!instruction.outer || place.outerScope === undefined) return spawn(place, instruction.body, options)
  return Effect.provideService(
    spawn(place, instruction.body, { ...options, scope: place.outerName }),
    Scope.Scope,
    place.outerScope
  )
}

/** Sets a deadline that a spawned thread inherits. No timer of a block ends at it. */
const within = <A, R>(world: World, spawning: Work<A, R>, thread: string, millis: number | null | undefined) =>
  millis == null
    ? spawning
    : Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.updateService(spawning, Deadline.Current, (outer) => {
          const due = Math.min(outer, now + millis)
          world.note({ _tag: "DeadlineBegan", thread, id: world.nextId(), due, latest: due })
          return due
        })
      )

const group = (place: Position, instruction: Of<"Group">): Scoped => {
  const { world, thread } = place
  const id = world.nextId()
  return Effect.scoped(
    Effect.gen(function* () {
      const made = yield* world.subject.makeGroup(instruction.policy)
      for (const program of instruction.members) {
        const start = (effect: Scoped, options: Parameters<World["subject"]["spawn"]>[1]) => {
          const member = String(options.name)
          const ended = (exit: Exit.Exit<unknown, unknown>) =>
            world.noting(() => ({ _tag: "MemberEnded", thread, group: id, member, exit }))
          const spawning = world.subject.spawnInto(made, Effect.onExit(effect, ended), options)
          return within(world, spawning, member, instruction.within)
        }
        yield* spawn(place, program, { scope: `group ${id}` }, start)
      }
      yield* block({ ...place, scope: `group ${id}` }, instruction.body)
      return yield* Effect.onExit(world.subject.joinGroup(made), (exit) =>
        world.noting(() => ({ _tag: "GroupJoined", thread, group: id, policy: instruction.policy, exit }))
      )
    })
  )
}
