/** Members without renewals of their rows, with a store in memory and a clock of the test. */
import { Clock, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { expect, it } from "vitest"
import { LostRunners } from "../src/internal/client/lostRunners.ts"
import * as MemberStore from "../src/internal/store/memberStore.ts"
import * as SqliteClient from "../src/internal/store/sqliteClient.ts"
import * as ThreadStore from "../src/internal/store/threadStore.ts"
import { Calm } from "../src/internal/watch/calm.ts"
import { Silence } from "../src/internal/watch/silence.ts"

/** Runs an effect with a clock that shows the given number of milliseconds. */
const at =
  (millis: number) =>
  <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.flatMap(Clock.Clock, (clock) => {
      const moved: Clock.Clock = Object.create(clock, {
        monotonicTimeNanos: { value: Effect.succeed(BigInt(millis) * 1_000_000n) }
      })
      return Effect.provideService(effect, Clock.Clock, moved)
    })

const run = <A, E>(test: (store: ThreadStore.ThreadStore) => Effect.Effect<A, E>): Promise<A> =>
  Effect.gen(function* () {
    yield* ThreadStore.open
    return yield* test(new ThreadStore.ThreadStore(yield* SqlClient))
  }).pipe(Effect.provide(SqliteClient.layer(":memory:").pipe(Layer.fresh)), Effect.runPromise)

const runners = new Set(["runner", "without a row"])

/** Each renewal sets a different end, as after a pause. */
const renewed = (store: ThreadStore.ThreadStore, millis: number) =>
  MemberStore.renew(store, { id: "runner", kind: "runner", address: null }, 60_000 + millis)

const names = Effect.map((found: ReadonlySet<string>) => Array.from(found))

it("a member is silent if its row has the same end for five renewals, and no longer after a renewal", () =>
  run((store) =>
    Effect.gen(function* () {
      const silence = new Silence(store)
      const look = (millis: number) => at(millis)(names(silence.look(runners)))
      yield* renewed(store, 0)
      expect(yield* look(1000)).toEqual([])
      expect(yield* look(5999)).toEqual([])
      expect(yield* look(6000)).toEqual(["runner"])
      yield* renewed(store, 1000)
      expect(yield* look(7000)).toEqual([])
      expect(yield* look(11_999)).toEqual([])
      expect(yield* look(12_000)).toEqual(["runner"])
    })
  ))

it("a member without recent scans is not silent at once, because it may have renewed its row in between", () =>
  run((store) =>
    Effect.gen(function* () {
      const silence = new Silence(store)
      const look = (millis: number) => at(millis)(names(silence.look(runners)))
      yield* renewed(store, 0)
      yield* look(0)
      yield* at(1000)(silence.look(new Set()))
      expect(yield* look(9000)).toEqual([])
      expect(yield* look(14_000)).toEqual(["runner"])
    })
  ))

it("no runner counts as silent while this client could not renew its own row, because the store may take no writes", () =>
  run((store) =>
    Effect.gen(function* () {
      const calm = yield* at(0)(Calm.make(store))
      const lost = new LostRunners(store, undefined, calm)
      const second = (millis: number, isRenewed: boolean) => {
        const own = calm.renew({ id: "own", kind: "caller", address: null }, 60_000)
        const look = Effect.andThen(lost.look, names(lost.silent(runners)))
        return at(millis)(Effect.andThen(isRenewed ? own : Effect.void, look))
      }
      yield* renewed(store, 0)
      const found: Array<ReadonlyArray<string>> = []
      for (let n = 1; n <= 12; n++) found.push(yield* second(n * 1000, n < 7 || n > 9))
      const silentAt = found.flatMap((silent, n) => (silent.length > 0 ? [n + 1] : []))
      expect(silentAt).toEqual([6, 7, 8])
    })
  ))
