/** The types of deadlines. The compiler checks the calls, and no call runs. */
import { Deadline } from "@quiesce/core"
import { Context, Effect } from "effect"
import { expectTypeOf, it } from "vitest"

class Database extends Context.Service<Database, { readonly size: number }>()("Database") {}

declare const work: Effect.Effect<number, "no", Database>

it("Deadline.within adds its error, as a plain call and in a pipe", () => {
  const programs = () => [work.pipe(Deadline.within("1 second")), Deadline.within(work, 10)]
  expectTypeOf(programs).returns.toEqualTypeOf<
    Array<Effect.Effect<number, "no" | Deadline.DeadlineExceeded, Database>>
  >()
})

it("Effect.catchTag catches the error of a deadline, and removes it", () => {
  const program = () =>
    work.pipe(
      Deadline.within("1 second"),
      Effect.catchTag("DeadlineExceeded", ({ millis, suppressed }) => Effect.succeed({ millis, suppressed }))
    )
  expectTypeOf(program).returns.toEqualTypeOf<
    Effect.Effect<number | { millis: number; suppressed: ReadonlyArray<unknown> }, "no", Database>
  >()
})
