/** The types of leases and sections. The compiler checks the calls, and no call runs. */
import { Blocking, Lease } from "@quiesce/core"
import { Context, Effect, type Scope } from "effect"
import { expectTypeOf, it } from "vitest"

class Database extends Context.Service<Database, { readonly size: number }>()("Database") {}
class Disk extends Context.Service<Disk, { readonly free: number }>()("Disk") {}

declare const open: Effect.Effect<{ readonly id: number }, "locked", Database>

it("Lease.acquire needs the services of both halves, and has only the error of the acquire", () => {
  const lease = () =>
    Lease.acquire({
      name: "file",
      acquire: open,
      release: ({ id }) => Effect.flatMap(Disk, ({ free }) => (free > id ? Effect.void : Effect.fail("full")))
    })
  expectTypeOf(lease).returns.toEqualTypeOf<
    Effect.Effect<{ readonly id: number }, "locked", Database | Disk | Scope.Scope>
  >()
})

it("a section has its value, and no error", () => {
  const sections = () => [
    Blocking.interruptible((token) => (token.check(), 1), { grace: "1 second" }),
    Blocking.uninterruptible(() => 2)
  ]
  expectTypeOf(sections).returns.toEqualTypeOf<Array<Effect.Effect<number>>>()
})
