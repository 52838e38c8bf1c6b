import { describe, expect, it } from "@effect/vitest"
import { Journal } from "@quiesce/testing"
import { Effect } from "effect"

const journalOf = (entries: ReadonlyArray<Journal.Entry>): Journal.Journal => ({ entries: [...entries] })

const in_ = (effect: Effect.Effect<unknown>, journal: Journal.Journal): Effect.Effect<unknown> =>
  Effect.provideService(effect, Journal.Current, journal)

describe("Journal.problems", () => {
  it("reports resources that were not released, not held, lost, or released out of order in their scope", () => {
    const scope = {}
    const crossed = journalOf([
      { what: "acquired", name: "a", scope },
      { what: "acquired", name: "b", scope },
      { what: "releasing", name: "a", scope },
      { what: "released", name: "a", scope },
      { what: "released", name: "c" },
      { what: "lost", name: "b" }
    ])
    expect(Journal.problems(crossed)).toEqual([
      '"a" was released before "b", which was acquired later',
      '"c" was released without being held',
      '"b" was lost'
    ])
    const kept = journalOf([
      { what: "acquired", name: "a" },
      { what: "acquired", name: "a" }
    ])
    expect(Journal.problems(kept)).toEqual(['"a" was acquired and not released, 2 times'])
    expect(Journal.render(crossed)).toBe("+a +b -a -c ?b")
  })
})

describe("Journal.resource", () => {
  it.effect(
    "is ordered among the resources of one fiber, and not against resources that other fibers acquire at the same time",
    () =>
      Effect.gen(function* () {
        const journal = Journal.make()
        const all = Effect.forEach(["a", "b", "c"], (name) => Journal.resource(name), { concurrency: "unbounded" })
        yield* in_(Effect.scoped(all), journal)
        expect(journal.entries.filter(({ what }) => what === "released")).toHaveLength(3)
        expect(Journal.problems(journal)).toEqual([])
      })
  )

  it.effect("records the acquire and the release, and a release that fails", () =>
    Effect.gen(function* () {
      const journal = Journal.make()
      const value = yield* in_(
        Effect.scoped(
          Journal.resource("db", { acquire: Effect.succeed(1), release: (given) => Effect.die(`no ${given}`) })
        ).pipe(Effect.exit),
        journal
      )
      expect(String(value)).toContain("no 1")
      expect(Journal.render(journal)).toBe("+db !db")
    })
  )

  it.effect("acquires and releases outside of a test, too", () =>
    Effect.gen(function* () {
      expect(yield* Effect.scoped(Journal.resource("db", { acquire: Effect.succeed(1) }))).toBe(1)
      yield* Journal.acquired("x")
      yield* Journal.released("x")
    })
  )
})
