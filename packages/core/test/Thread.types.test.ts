/** The types of threads, as the programs of users have them. The compiler checks the calls, and no call runs. */
import { CancelReason, Escalation, type ShutdownReport, Thread } from "@quiesce/core"
import { Context, Effect, type Exit, type Option, pipe, Schema, type Scope } from "effect"
import { describe, expectTypeOf, it } from "vitest"

class Database extends Context.Service<Database, { readonly size: number }>()("Database") {}
class Reload extends Schema.TaggedError<Reload>()("Reload", { file: Schema.String }) {}
class Flush extends Schema.TaggedError<Flush>()("Flush", {}) {}
class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {}) {}

declare const counting: Thread.Thread<number, NotFound>
declare const reading: Thread.Thread<string>
declare const threads: ReadonlyArray<typeof counting>
declare const limit: Thread.JoinOptions | undefined
declare const work: Effect.Effect<number, NotFound, Database | Scope.Scope>

describe("Thread.spawn", () => {
  it("infers at the end of a pipe, with and without options, and as a plain call", () => {
    const programs = () => ({
      bare: work.pipe(Thread.spawn),
      named: work.pipe(Thread.spawn({ name: "work" })),
      nothing: work.pipe(Thread.spawn()),
      first: Thread.spawn(work),
      both: Thread.spawn(work, { escalation: Escalation.graceful, startImmediately: true }),
      mapped: Effect.succeed([1, 2]).pipe(
        Effect.map((all) => all.length),
        Thread.spawn
      )
    })
    type Spawned = Effect.Effect<Thread.Thread<number, NotFound>, never, Database | Scope.Scope>
    expectTypeOf(programs).returns.toEqualTypeOf<{
      bare: Spawned
      named: Spawned
      nothing: Spawned
      first: Spawned
      both: Spawned
      mapped: Effect.Effect<Thread.Thread<number>, never, Scope.Scope>
    }>()
  })

  it("needs a scope, which Effect.scoped provides", () => {
    const program = () => Effect.scoped(Effect.flatMap(Thread.spawn(work), Thread.join))
    expectTypeOf(program).returns.toEqualTypeOf<Effect.Effect<number, NotFound, Database>>()
  })
})

describe("a thread", () => {
  it("has the types of its value and its error", () => {
    expectTypeOf<Thread.Thread.Success<typeof counting>>().toEqualTypeOf<number>()
    expectTypeOf<Thread.Thread.Error<typeof counting>>().toEqualTypeOf<NotFound>()
    expectTypeOf<Thread.Thread.Success<typeof counting | typeof reading>>().toEqualTypeOf<number | string>()
    expectTypeOf<Thread.Thread.Error<typeof counting | typeof reading>>().toEqualTypeOf<NotFound>()
    expectTypeOf<Thread.Thread.Error<typeof reading>>().toEqualTypeOf<never>()
    expectTypeOf<Thread.Thread.Success<never>>().toEqualTypeOf<never>()
    expectTypeOf<Thread.Thread.Error<never>>().toEqualTypeOf<never>()
  })

  it("of a narrower type can replace one of a wider type, and not the other way round", () => {
    expectTypeOf<Thread.Thread<1>>().toExtend<Thread.Thread<number, NotFound>>()
    expectTypeOf<Thread.Thread<1, NotFound>>().toExtend<Thread.Thread.Any>()
    expectTypeOf<Thread.Thread<number>>().not.toExtend<Thread.Thread<1>>()
    expectTypeOf<Thread.Thread<number, NotFound>>().not.toExtend<Thread.Thread<number>>()
  })

  it("can be ended by a function without arguments in a pipe", () => {
    const ends = () => ({
      stop: counting.pipe(Thread.stop),
      interrupt: Effect.succeed(counting).pipe(Effect.tap(Thread.interrupt)),
      fork: Effect.succeed(counting).pipe(Effect.flatMap(Thread.interruptFork)),
      shutdown: counting.pipe(Thread.shutdown),
      all: [pipe(threads, Thread.stopAll), pipe(threads, Thread.interruptAll)]
    })
    expectTypeOf(ends).returns.toEqualTypeOf<{
      stop: Effect.Effect<void>
      interrupt: Effect.Effect<Thread.Thread<number, NotFound>>
      fork: Effect.Effect<void>
      shutdown: Effect.Effect<ShutdownReport.ShutdownReport>
      all: Array<Effect.Effect<void>>
    }>()
  })

  it("can be ended by a plain call and in a pipe, with a reason and without", () => {
    const reason = CancelReason.stopped()
    const programs = () => ({
      stop: [Thread.stop(counting), counting.pipe(Thread.stop()), counting.pipe(Thread.stop({ reason }))],
      interrupt: [Thread.interrupt(counting, { reason }), counting.pipe(Thread.interrupt())],
      fork: [Thread.interruptFork(counting), counting.pipe(Thread.interruptFork({ reason }))],
      all: [Thread.stopAll([counting, reading]), Thread.interruptAll(new Set([reading]), { reason })],
      shutdown: [
        Thread.shutdown(counting),
        counting.pipe(Thread.shutdown({ escalation: Escalation.graceful, reason }))
      ],
      raise: [Thread.raise(counting, new NotFound()), counting.pipe(Thread.raise(new TypeError("no")))]
    })
    expectTypeOf(programs).returns.toEqualTypeOf<{
      stop: Array<Effect.Effect<void>>
      interrupt: Array<Effect.Effect<void>>
      fork: Array<Effect.Effect<void>>
      all: Array<Effect.Effect<void>>
      shutdown: Array<Effect.Effect<ShutdownReport.ShutdownReport>>
      raise: Array<Effect.Effect<boolean>>
    }>()
  })
})

describe("the joins of threads", () => {
  it("have the value and the error of the thread", () => {
    const programs = () => ({
      join: counting.pipe(Thread.join),
      exit: Thread.await(counting),
      within: [counting.pipe(Thread.joinWithin("1 second")), Thread.joinWithin(counting, 10)]
    })
    expectTypeOf(programs).returns.toEqualTypeOf<{
      join: Effect.Effect<number, NotFound>
      exit: Effect.Effect<Exit.Exit<number, NotFound>>
      within: Array<Effect.Effect<Option.Option<number>, NotFound>>
    }>()
  })

  it("keep a tuple, a record and an array", () => {
    const programs = () => ({
      tuple: Thread.joinAll([counting, reading]),
      record: Thread.joinAll({ counting, reading }),
      array: Thread.joinAll(threads),
      set: Thread.joinAll(new Set([reading])),
      none: Thread.joinAll([]),
      noRecord: Thread.joinAll({}),
      callback: Effect.succeed(threads).pipe(Effect.flatMap(Thread.joinAll))
    })
    expectTypeOf(programs).returns.toEqualTypeOf<{
      tuple: Effect.Effect<[number, string], NotFound>
      record: Effect.Effect<{ counting: number; reading: string }, NotFound>
      array: Effect.Effect<Array<number>, NotFound>
      set: Effect.Effect<Array<string>>
      none: Effect.Effect<[]>
      noRecord: Effect.Effect<{}>
      callback: Effect.Effect<Array<number>, NotFound>
    }>()
  })

  it("with a limit return Options", () => {
    const programs = () => ({
      tuple: Thread.joinAll([counting, reading], { within: "1 second" }),
      record: Thread.joinAll({ counting, reading }, { each: 10 }),
      set: Thread.joinAll(new Set([reading]), { within: 10 })
    })
    expectTypeOf(programs).returns.toEqualTypeOf<{
      tuple: Effect.Effect<[Option.Option<number>, Option.Option<string>], NotFound>
      record: Effect.Effect<{ counting: Option.Option<number>; reading: Option.Option<string> }, NotFound>
      set: Effect.Effect<Array<Option.Option<string>>>
    }>()
  })
})

describe("a join with a limit that may be undefined", () => {
  it("returns Options and plain values", () => {
    const program = () => Thread.joinAll([counting], limit)
    type Joined = Effect.Effect<[number | Option.Option<number>], NotFound>
    expectTypeOf(program).returns.toExtend<Joined>()
    expectTypeOf<Joined>().toExtend<ReturnType<typeof program>>()
  })
})

describe("the code in a thread", () => {
  it("has no error of the toolkit", () => {
    expectTypeOf(Thread.current).toEqualTypeOf<Effect.Effect<Thread.Thread.Any>>()
    expectTypeOf(Thread.stopRequested).toEqualTypeOf<Effect.Effect<boolean>>()
    expectTypeOf(Thread.checkpoint).toEqualTypeOf<Effect.Effect<void>>()
    expectTypeOf(Thread.awaitStop).toEqualTypeOf<Effect.Effect<CancelReason.CancelReason>>()
    const until = () => work.pipe(Thread.untilStopped)
    expectTypeOf(until).returns.toEqualTypeOf<Effect.Effect<Option.Option<number>, NotFound, Database | Scope.Scope>>()
  })

  it("receives errors of one class, of several and of a union", () => {
    const both = Schema.Union([NotFound, Schema.instanceOf(RangeError)])
    const programs = () => ({
      one: [work.pipe(Thread.receive(Reload)), Thread.receive(work, Reload)],
      several: [work.pipe(Thread.receive(Reload, Flush)), Thread.receive(work, Reload, Flush)],
      union: Effect.never.pipe(Thread.receive(both)),
      caught: Effect.never.pipe(
        Thread.receive(Reload, Flush),
        Effect.catchTags({ Reload: ({ file }) => Effect.succeed(file), Flush: () => Effect.succeed(1) })
      )
    })
    type R = Database | Scope.Scope
    expectTypeOf(programs).returns.toEqualTypeOf<{
      one: Array<Effect.Effect<number, NotFound | Reload, R>>
      several: Array<Effect.Effect<number, NotFound | Reload | Flush, R>>
      union: Effect.Effect<never, NotFound | RangeError>
      caught: Effect.Effect<string | number>
    }>()
  })

  it("runs effects from callbacks with the required services", () => {
    const program = () =>
      Effect.map(Thread.runtime<Database>(), (run) => ({
        service: run(Effect.map(Database, ({ size }) => size)),
        aborted: run(Effect.succeed("yes"), { signal: AbortSignal.timeout(1) })
      }))
    expectTypeOf(program).returns.toEqualTypeOf<
      Effect.Effect<{ service: Promise<number>; aborted: Promise<string> }, never, Database>
    >()
  })
})
