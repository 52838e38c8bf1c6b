/** The types of groups. The compiler checks the calls, and no call runs. */
import { type Deadline, Escalation, type ShutdownReport, type Thread, ThreadGroup } from "@quiesce/core"
import { Context, type Effect, type Scope } from "effect"
import { describe, expectTypeOf, it } from "vitest"

class Database extends Context.Service<Database, { readonly size: number }>()("Database") {}

type Group<E, F = E | Deadline.DeadlineExceeded> = Effect.Effect<ThreadGroup.ThreadGroup<E, F>, never, Scope.Scope>

declare const work: Effect.Effect<number, "no", Database | Scope.Scope>
declare const group: ThreadGroup.ThreadGroup<"no" | "late">
declare const isolated: ThreadGroup.ThreadGroup<unknown, never>
declare const policy: ThreadGroup.Policy

describe("ThreadGroup.make", () => {
  it("has the errors that its type parameter names, and none under isolate", () => {
    const groups = () => ({
      none: ThreadGroup.make(),
      named: ThreadGroup.make<"no">(),
      collect: ThreadGroup.make<"no">({ policy: "collect" }),
      isolate: ThreadGroup.make({ policy: "isolate" }),
      variable: ThreadGroup.make<"no">({ policy })
    })
    expectTypeOf(groups).returns.toEqualTypeOf<{
      none: Group<never>
      named: Group<"no">
      collect: Group<"no">
      isolate: Group<unknown, never>
      variable: Group<"no">
    }>()
  })
})

describe("ThreadGroup.spawn", () => {
  it("infers as a plain call and at the end of a pipe", () => {
    const threads = () => [
      ThreadGroup.spawn(group, work),
      ThreadGroup.spawn(group, work, { name: "work" }),
      work.pipe(ThreadGroup.spawn(group)),
      work.pipe(ThreadGroup.spawn(group, { name: "work" })),
      work.pipe(ThreadGroup.spawn(isolated))
    ]
    expectTypeOf(threads).returns.toEqualTypeOf<Array<Effect.Effect<Thread.Thread<number, "no">, never, Database>>>()
  })
})

describe("ThreadGroup.joinAll", () => {
  it("fails as the group fails, and never under isolate", () => {
    const joins = () => ({ all: group.pipe(ThreadGroup.joinAll), isolated: ThreadGroup.joinAll(isolated) })
    expectTypeOf(joins).returns.toEqualTypeOf<{
      all: Effect.Effect<void, "no" | "late" | Deadline.DeadlineExceeded>
      isolated: Effect.Effect<void>
    }>()
  })
})

describe("ThreadGroup.shutdown", () => {
  it("infers as a plain call and at the end of a pipe", () => {
    const shutdowns = () => [
      ThreadGroup.shutdown(group),
      ThreadGroup.shutdown(isolated, { escalation: Escalation.graceful }),
      group.pipe(ThreadGroup.shutdown),
      group.pipe(ThreadGroup.shutdown({ escalation: Escalation.graceful }))
    ]
    expectTypeOf(shutdowns).returns.toEqualTypeOf<Array<Effect.Effect<ReadonlyArray<ShutdownReport.ShutdownReport>>>>()
  })
})

describe("a group", () => {
  it("with more errors can replace a group with fewer, and not the other way round", () => {
    expectTypeOf<typeof isolated>().toExtend<typeof group>()
    expectTypeOf<typeof group>().toExtend<ThreadGroup.ThreadGroup<"no", unknown>>()
    expectTypeOf<typeof group>().toExtend<ThreadGroup.ThreadGroup.Any>()
    expectTypeOf<ThreadGroup.ThreadGroup<"no", unknown>>().not.toExtend<
      ThreadGroup.ThreadGroup<"no" | "late", unknown>
    >()
    expectTypeOf<typeof group>().not.toExtend<ThreadGroup.ThreadGroup<"no" | "late", "no">>()
  })
})
