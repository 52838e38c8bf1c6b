/**
 * A map: threads by key, under one scope. Of the threads of a key, at most one runs its body at a time.
 *
 * The names are those of Effect's `FiberMap`. A new thread of a key ends the thread before it, and waits for that end
 * before its own body begins. `FiberMap` lets both run together.
 *
 * Invariants:
 * 1. The live threads of the map are children of its parent or, if the parent has ended, of the nearest live ancestor.
 * 2. A key is in the map as long as one of its threads is alive. The thread of a key is its youngest live thread.
 * 3. A thread that the map has begun to end is ended by its own escalation, whether or not the caller waits.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { constVoid, dual, identity } from "effect/Function"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import type { Pipeable } from "effect/Pipeable"
import { pipeArguments } from "effect/Pipeable"
import * as Scope from "effect/Scope"
import type * as Types from "effect/Types"
import * as CancelReason from "./CancelReason.ts"
import type { DeadlineExceeded } from "./Deadline.ts"
import * as Argument from "./internal/argument.ts"
import { CurrentNode } from "./internal/currentThread.ts"
import * as DirectSpawn from "./internal/directSpawn.ts"
import { sharedCauses } from "./internal/effectInternals.ts"
import * as Texts from "./internal/errorTexts.ts"
import * as FiberInterrupt from "./internal/fiberInterrupt.ts"
import * as FiberThread from "./internal/fiberThread.ts"
import { isEffect, readOr } from "./internal/foreignValue.ts"
import { type Entry, KeyedThreads } from "./internal/keyedThreads.ts"
import * as Ladder from "./internal/ladder.ts"
import * as Misuse from "./internal/misuse.ts"
import { reasonIn, withReason } from "./internal/request.ts"
import * as Spawn from "./internal/spawn.ts"
import { nodeOf, type ThreadNode } from "./internal/threadNode.ts"
import * as ThreadRuntime from "./internal/threadRuntime.ts"
import type { RequestOptions, SpawnOptions, Thread } from "./Thread.ts"

const TypeId = "~@quiesce/core/ThreadMap"

FiberInterrupt.choose(sharedCauses)

/**
 * Threads by key. The map accepts threads whose errors are of type `E`, and its join fails with `F`.
 *
 * Keys are compared as in Effect's `MutableHashMap`: by `Equal`, so that two equal data objects are one key. An iteration
 * gives each key with its thread.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ThreadMap<in out K, in E = never, out F = E | DeadlineExceeded>
  extends Pipeable, Inspectable.Inspectable, Iterable<[K, Thread<unknown, F>]> {
  readonly [TypeId]: ThreadMap.Variance<K, E, F>
}

/**
 * The types of a map.
 *
 * @since 0.1.0
 */
export declare namespace ThreadMap {
  /**
   * The keys of a map, its accepted errors, and the errors of its join.
   *
   * @stability unstable
   * @category models
   * @since 0.1.0
   */
  interface Variance<in out K, in E, out F> {
    readonly _K: Types.Invariant<K>
    readonly _E: Types.Contravariant<E>
    readonly _F: Types.Covariant<F>
  }
}

const variance: ThreadMap.Variance<never, unknown, never> = { _K: identity, _E: constVoid, _F: identity }

class KeyedMap<K, E, F> extends Inspectable.Class implements ThreadMap<K, E, F> {
  readonly threads: KeyedThreads<K, F>

  constructor(threads: KeyedThreads<K, F>) {
    super()
    this.threads = threads
  }

  get [TypeId](): ThreadMap.Variance<K, E, F> {
    // Nobody calls the functions of a variance.
    return variance as unknown as ThreadMap.Variance<K, E, F>
  }

  *[Symbol.iterator](): Iterator<[K, Thread<unknown, F>]> {
    for (const [key, entry] of this.threads) yield [key, handleOf(entry)]
  }

  pipe(): unknown {
    return pipeArguments(this, arguments)
  }

  toJSON(): unknown {
    return { _id: "ThreadMap", size: this.threads.size }
  }
}

/** The signature of `run` says which errors the threads of a map have. */
const handleOf = <K, F>(entry: Entry<K, F>): Thread<unknown, F> => entry.node as ThreadNode<unknown, never>

/** Only this module makes maps. Throws where a user without types gives something else. */
const threadsOf = <K, E, F>(operation: string, self: ThreadMap<K, E, F>): KeyedThreads<K, F> => {
  if (isMap(self)) return (self as KeyedMap<K, E, F>).threads
  throw Argument.wrong(operation, self, aMap)
}

const isMap = (u: unknown): boolean => readOr(() => u instanceof KeyedMap, false)

const aMap = "a map: the result of `yield* ThreadMap.make()`"

/**
 * How a thread of a map is started. Without a `name`, a key that is a text is the thread's name.
 *
 * With `onlyIfMissing`, nothing starts if the key has a thread: the returned thread has ended before its body ran, and was
 * interrupted with a reason that says so. With `propagateInterruption`, an interruption that does not come from the map,
 * such as `Thread.interrupt`, interrupts the joins of the map.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface RunOptions extends SpawnOptions {
  readonly onlyIfMissing?: boolean | undefined
  readonly propagateInterruption?: boolean | undefined
}

/**
 * How a callback starts a thread of a map. The thread runs up to its first wait at once.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type RuntimeOptions = Omit<RunOptions, "startImmediately">

/**
 * A function for callbacks of other libraries: it starts a thread of a map and returns the thread.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Runtime<in K, in E, in R = never> = <A, E1 extends E>(
  key: K,
  effect: Effect.Effect<A, E1, R>,
  options?: RuntimeOptions
) => Thread<A, E1>

/**
 * A function for callbacks of other libraries: it starts a thread of a map and returns a Promise of the thread's value.
 * When `signal` aborts, the thread is interrupted, and the Promise rejects with `signal.reason` after the finalizers.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type RuntimePromise<in K, in E, in R = never> = <A, E1 extends E>(
  key: K,
  effect: Effect.Effect<A, E1, R>,
  options?: RuntimeOptions & { readonly signal?: AbortSignal | undefined }
) => Promise<A>

// ---- Constructors ----

/**
 * Makes a map in the current scope. When the scope closes, all threads of the map end at the same time, each by its own
 * escalation. The type parameters are the keys and the errors of the threads: `ThreadMap.make<string, NotFound>()`.
 *
 * ```ts
 * import { ThreadMap } from "@quiesce/core"
 * import { Effect } from "effect"
 *
 * declare const watch: (file: string) => Effect.Effect<never>
 *
 * export const program = Effect.gen(function* () {
 *   const watchers = yield* ThreadMap.make<string>()
 *   yield* ThreadMap.run(watchers, "a.txt", watch("a.txt"))
 *   yield* ThreadMap.run(watchers, "a.txt", watch("a.txt")) // begins after the first has ended
 *   yield* ThreadMap.remove(watchers, "a.txt") // returns after the last finalizer
 * })
 * ```
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = <K, E = never>(): Effect.Effect<ThreadMap<K, E>, never, Scope.Scope> =>
  Effect.flatMap(Scope.Scope, (scope) =>
    Effect.withFiber((fiber) => {
      const threads = new KeyedThreads<K, E | DeadlineExceeded>(Spawn.liveThread(fiber), scope)
      const clock = fiber.getRef(Clock.Clock)
      return Effect.as(
        Scope.addFinalizerExit(scope, (exit) =>
          Effect.withFiber((closer) => {
            threads.close(exit)
            const reason = Ladder.reasonOfEnd(exit, threads.parent, clock.currentTimeMillisUnsafe())
            return threads.endAndWait([...threads.entries()], reason, closer.getRef(CurrentNode), closer)
          })
        ),
        new KeyedMap<K, E, E | DeadlineExceeded>(threads)
      )
    })
  )

/**
 * Makes a map, and gives only its function for callbacks: see `runtime`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeRuntime = <R, K, E = never>(): Effect.Effect<Runtime<K, E, R>, never, Scope.Scope | R> =>
  Effect.flatMap(make<K, E>(), (self) => runtime(self)<R>())

/**
 * Makes a map, and gives only its function for callbacks that returns Promises: see `runtimePromise`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeRuntimePromise = <R, K, E = never>(): Effect.Effect<RuntimePromise<K, E, R>, never, Scope.Scope | R> =>
  Effect.flatMap(make<K, E>(), (self) => runtimePromise(self)<R>())

// ---- Starting ----

/**
 * Starts a thread under a key: `ThreadMap.run(map, key, work)` or `work.pipe(ThreadMap.run(map, key))`. Returns at once.
 *
 * If the key has a thread, the map ends that thread by its own escalation, and the body of the new thread begins after that
 * end. A thread that was abandoned counts as ended, so its code may still run. If the new thread ends first, the key
 * belongs to the older thread again.
 *
 * In a map whose scope has closed, nothing starts: the returned thread has ended before its body ran.
 *
 * *Cancellation*: either no thread exists, or the thread is in the map and ends with it.
 *
 * *Gotchas*: code that replaces its own thread must not wait for the new one, because the new one waits for its end.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const run: <K, E, Arg extends Effect.Effect<unknown, E, unknown> | RunOptions | undefined = RunOptions>(
  self: ThreadMap<K, E, unknown>,
  key: NoInfer<K>,
  effectOrOptions?: Arg,
  options?: RunOptions
) => [Arg] extends [Effect.Effect<infer A, infer E1, infer R>]
  ? Effect.Effect<Thread<A, E1>, never, Exclude<R, Scope.Scope>>
  : <A, E1 extends E, R>(
      effect: Effect.Effect<A, E1, R>
    ) => Effect.Effect<Thread<A, E1>, never, Exclude<R, Scope.Scope>> = (self, key, effectOrOptions, options): never =>
  // The signature says which of both is returned.
  (isEffect(effectOrOptions)
    ? runUnder(self, key, effectOrOptions, options)
    : Argument.curried(
        "ThreadMap.run",
        Argument.anEffect,
        effectOrOptions as RunOptions | undefined,
        (effect: Effect.Effect<unknown, unknown, unknown>, given) => runUnder(self, key, effect, given)
      )) as never

const runUnder = <K, E, A, E1, R>(
  self: ThreadMap<K, E, unknown>,
  key: K,
  effect: Effect.Effect<A, E1, R>,
  options: RunOptions | undefined
): Effect.Effect<Thread<A, E1>, never, Exclude<R, Scope.Scope>> =>
  Effect.withFiber(
    (fiber) =>
      place(threadsOf("ThreadMap.run", self), key, effect, options, fiber, (node, body) =>
        FiberThread.fork(node, body, fiber, options?.startImmediately === true)
      )
    // The other services of the effect are in the context of the fork.
  ) as Effect.Effect<Thread<A, E1>, never, Exclude<R, Scope.Scope>>

/** The settings of a new thread. */
interface Settings {
  readonly context: Context.Context<never>
  readonly getRef: <X>(reference: Context.Reference<X>) => X
}

/** Puts a new thread into the map, and ends the thread before it, in one step. */
const place = <K, F, A, E, R>(
  threads: KeyedThreads<K, F>,
  key: K,
  effect: Effect.Effect<A, E, R>,
  options: RunOptions | undefined,
  settings: Settings,
  fork: (node: ThreadNode<A, E>, body: Effect.Effect<A, E, R>) => Effect.Effect<ThreadNode<A, E>>
): Effect.Effect<ThreadNode<A, E>> => {
  if (!Argument.isWork(effect)) return Argument.die("ThreadMap.run", effect, Argument.anEffect)
  const named = typeof key === "string" ? { ...options, name: options?.name ?? key } : options
  return Spawn.into<A, E>(settings, threads.destination, named, (node) => {
    const asked = { by: settings.getRef(CurrentNode).name, at: node.spawnedAt }
    if (options?.onlyIfMissing === true && threads.has(key)) return Spawn.endedBeforeStart(node, { ...taken, ...asked })
    const entry = threads.add(key, node, options?.propagateInterruption === true)
    const { older } = entry
    if (older === undefined) return fork(node, effect)
    const placed = fork(node, Effect.andThen(entry.turn, effect))
    // The new thread is in its place, because a finalizer of the old thread may look for it.
    threads.end([older], { ...replaced, ...asked }, settings)
    return placed
  })
}

const taken = /* @__PURE__ */ CancelReason.interrupted({ message: "Its key already has a thread" })
const replaced = /* @__PURE__ */ CancelReason.interrupted({ message: "Replaced by another thread of its key" })

/**
 * A function for callbacks of other libraries that starts threads of a map, with the services `R` of the current fiber:
 * `const start = yield* ThreadMap.runtime(map)<Database>()`, and then `start(key, effect)`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const runtime =
  <K, E, F>(self: ThreadMap<K, E, F>) =>
  <R = never>(): Effect.Effect<Runtime<K, E, R>, never, R> =>
    Effect.withFiber(({ context }) => {
      const settings = { context, ...DirectSpawn.referencesIn(context) }
      const threads = threadsOf("ThreadMap.runtime", self)
      return Effect.succeed((key, effect, options) =>
        Effect.runSync(
          place(threads, key, effect, options, settings, (node, body) =>
            // The context of the fiber has the services.
            DirectSpawn.run(node, () => body as typeof body & Effect.Effect<never, never>, context)
          )
        )
      )
    })

/**
 * As `runtime`, but the function returns a Promise, and takes a `signal` that interrupts the thread.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const runtimePromise =
  <K, E, F>(self: ThreadMap<K, E, F>) =>
  <R = never>(): Effect.Effect<RuntimePromise<K, E, R>, never, R> =>
    Effect.map(
      runtime(self)<R>(),
      (start) => (key, effect, options) =>
        ThreadRuntime.promiseOf("a ThreadMap.runtimePromise", options, () => nodeOf(start(key, effect, options)))
    )

// ---- Looking ----

/**
 * The thread of a key; none if no thread of the key is alive. A thread that has been asked to end is in the map until it
 * has ended.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const get: {
  <K>(key: K): <E, F>(self: ThreadMap<K, E, F>) => Effect.Effect<Option.Option<Thread<unknown, F>>>
  <K, E, F>(self: ThreadMap<K, E, F>, key: NoInfer<K>): Effect.Effect<Option.Option<Thread<unknown, F>>>
} = /* @__PURE__ */ dual(
  2,
  <K, E, F>(self: ThreadMap<K, E, F>, key: K): Effect.Effect<Option.Option<Thread<unknown, F>>> =>
    Effect.sync(() => {
      const entry = threadsOf("ThreadMap.get", self).get(key)
      return entry === undefined ? Option.none() : Option.some(handleOf(entry))
    })
)

/**
 * Whether a thread of the key is alive.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const has: {
  <K>(key: K): <E, F>(self: ThreadMap<K, E, F>) => Effect.Effect<boolean>
  <K, E, F>(self: ThreadMap<K, E, F>, key: NoInfer<K>): Effect.Effect<boolean>
} = /* @__PURE__ */ dual(2, <K, E, F>(self: ThreadMap<K, E, F>, key: K): Effect.Effect<boolean> =>
  Effect.sync(() => threadsOf("ThreadMap.has", self).has(key))
)

/**
 * The number of keys with a live thread.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const size = <K, E, F>(self: ThreadMap<K, E, F>): Effect.Effect<number> =>
  Effect.sync(() => threadsOf("ThreadMap.size", self).size)

// ---- Ending ----

/**
 * Ends the thread of a key by the thread's own escalation, and waits for the end of all threads that the key has. A key
 * without a thread is left alone.
 *
 * A thread that removes its own key, or in whose children that happens, is interrupted and does not wait.
 *
 * *Cancellation*: only the wait ends; the map goes on to end the thread.
 *
 * @stability unstable
 * @category stopping
 * @since 0.1.0
 */
export const remove: {
  <K>(key: K, options?: RequestOptions): <E, F>(self: ThreadMap<K, E, F>) => Effect.Effect<void>
  <K, E, F>(self: ThreadMap<K, E, F>, key: NoInfer<K>, options?: RequestOptions): Effect.Effect<void>
} = /* @__PURE__ */ dual(
  (args) => args.length > 1 && isMap(args[0]),
  <K, E, F>(self: ThreadMap<K, E, F>, key: K, options?: RequestOptions): Effect.Effect<void> =>
    endEntries("ThreadMap.remove", self, options, (threads) => threads.entries({ of: key }))
)

/**
 * Ends all threads of the map at the same time, each by its own escalation, and waits for them. The map accepts new threads
 * until its scope closes.
 *
 * A thread of the map that clears the map is interrupted, too, and waits only for the threads of other keys.
 *
 * *Cancellation*: only the wait ends; the map goes on to end its threads.
 *
 * @stability unstable
 * @category stopping
 * @since 0.1.0
 */
export const clear: {
  (options?: RequestOptions): <K, E, F>(self: ThreadMap<K, E, F>) => Effect.Effect<void>
  <K, E, F>(self: ThreadMap<K, E, F>, options?: RequestOptions): Effect.Effect<void>
} = <K, E, F>(first?: ThreadMap<K, E, F> | RequestOptions, options?: RequestOptions): never =>
  // The signatures say which of both is returned.
  (isMap(first)
    ? clearMap(first as ThreadMap<K, E, F>, options)
    : Argument.curried("ThreadMap.clear", aMap, first as RequestOptions | undefined, clearMap<K, E, F>)) as never

const clearMap = <K, E, F>(self: ThreadMap<K, E, F>, options: RequestOptions | undefined): Effect.Effect<void> =>
  endEntries("ThreadMap.clear", self, options, (threads) => threads.entries())

const endEntries = <K, E, F>(
  operation: string,
  self: ThreadMap<K, E, F>,
  options: RequestOptions | undefined,
  entriesOf: (threads: KeyedThreads<K, F>) => Iterable<Entry<K, F>>
): Effect.Effect<void> =>
  withReason(reasonIn(options, defaultRemove), (reason, current) =>
    Effect.withFiber((fiber) => {
      const threads = threadsOf(operation, self)
      return threads.endAndWait([...entriesOf(threads)], reason, current, fiber)
    })
  )

const defaultRemove = /* @__PURE__ */ CancelReason.interrupted({ message: "Removed from its map" })

// ---- Waiting ----

/**
 * Waits for the first failure of a thread, and fails with it. Returns once the scope of the map has closed and all threads
 * have ended. A failure before the join counts, too.
 *
 * The other threads run on. An interruption is not a failure, unless the thread was started with `propagateInterruption`.
 * A thread that ends because its token has noticed the deadline has failed with `DeadlineExceeded`. Later failures are
 * received by a join of their own threads, otherwise they are logged.
 *
 * *Cancellation*: only the wait ends.
 *
 * @stability unstable
 * @category joining
 * @since 0.1.0
 */
export const join = <K, E, F>(self: ThreadMap<K, E, F>): Effect.Effect<void, F> =>
  Effect.suspend(() => threadsOf("ThreadMap.join", self).joined)

/**
 * Waits until no thread of the map is alive. Never fails: `join` has the failures.
 *
 * Dies with `SelfJoin` if a thread of the map, or a descendant, waits for its own map.
 *
 * *Cancellation*: only the wait ends.
 *
 * @stability unstable
 * @category joining
 * @since 0.1.0
 */
export const awaitEmpty = <K, E, F>(self: ThreadMap<K, E, F>): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const threads = threadsOf("ThreadMap.awaitEmpty", self)
    const own = threads.around(fiber.getRef(CurrentNode))
    return own === undefined
      ? threads.whenEmpty
      : Misuse.die({ _tag: "SelfJoin", thread: own.node.name }, Texts.selfJoin)
  })
