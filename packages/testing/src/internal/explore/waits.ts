/**
 * The wait of a suspended fiber, in words.
 *
 * All waits of Effect are one primitive with a function that registers the fiber. The text of that function identifies the
 * kind: a trial suspends in each kind once, to learn its text in the installed Effect.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Semaphore from "effect/Semaphore"
import * as Tracer from "effect/Tracer"
import { evaluate, type Primitive, registration, warnOfWaits } from "../effectInternals.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** A tracer that makes the usual spans, and reports each primitive before its evaluation. */
export const tracer = (onPrimitive: (primitive: Primitive, fiber: AnyFiber) => void): Tracer.Tracer =>
  Tracer.make({
    span: (options) => new Tracer.NativeSpan(options),
    context: (primitive, fiber) => {
      onPrimitive(primitive, fiber)
      return evaluate(primitive, fiber)
    }
  })

const kinds: Readonly<Record<string, () => Effect.Effect<unknown, unknown>>> = {
  "a Deferred to be done": () => Deferred.await(Deferred.makeUnsafe()),
  "permits of a Semaphore": () => Semaphore.makeUnsafe(0).take(1),
  "a Latch to be opened": () => Latch.makeUnsafe().await,
  "something in a Queue": () => Effect.flatMap(Queue.unbounded(), Queue.take),
  "room in a Queue": () => Effect.flatMap(Queue.bounded<number>(1), (queue) => Queue.offerAll(queue, [1, 2, 3])),
  "something in a PubSub": () =>
    Effect.scoped(Effect.flatMap(PubSub.unbounded(), (hub) => Effect.flatMap(PubSub.subscribe(hub), PubSub.take))),
  "the end of another fiber": () => Fiber.await(Effect.runFork(Effect.never)),
  "a promise to settle": () => Effect.promise(() => new Promise(() => {})),
  "nothing, for ever (Effect.never)": () => Effect.never
}

let known: ReadonlyMap<string, string> | undefined

const learn = (): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const [kind, make] of Object.entries(kinds)) {
    let last: string | undefined
    const watching = tracer((primitive) => {
      last = registration(primitive) ?? last
    })
    const fiber = Effect.runFork(Effect.provideService(make(), Tracer.Tracer, watching))
    fiber.interruptUnsafe()
    // Of two kinds with the same text, the first name is used.
    if (last !== undefined && !found.has(last)) found.set(last, kind)
  }
  if (found.size === 0) warnOfWaits()
  return found
}

/** The wait of a fiber with this last primitive. */
export const describe = (primitive: Primitive | undefined): string => {
  const text = primitive === undefined ? undefined : registration(primitive)
  known ??= learn()
  if (known.size === 0) return "something that this version of Effect does not name"
  if (text === undefined) return "something of its own"
  return known.get(text) ?? "something outside of Effect, or of its own (Effect.callback)"
}
