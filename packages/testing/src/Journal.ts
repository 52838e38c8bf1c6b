/**
 * What a program under test acquired and released, in order, as far as it says so itself.
 *
 * Leases of core are noted by themselves. Other resources are noted where they are made: by `resource`, or by `acquired`
 * and `released` in code of one's own. Outside a test these do nothing but what they are wrapped around.
 *
 * Invariants:
 * 1. `entries` only grows, in the order in which things happened.
 * 2. A resource is noted as acquired in the very step in which its acquire succeeds.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

/**
 * One entry. `scope` is what the resource belongs to, where that is known.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly what: "acquired" | "releasing" | "released" | "failed" | "lost"
  readonly name: string
  readonly scope?: object | undefined
  /** What acquired it: of two that acquire at the same time neither is before the other. */
  readonly by?: object | undefined
}

/**
 * A journal that is being written.
 *
 * @category models
 * @since 0.1.0
 */
export interface Journal {
  readonly entries: Array<Entry>
}

/**
 * Makes an empty journal.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Journal => ({ entries: [] })

/**
 * The journal of the test that runs this, if one does.
 *
 * @category references
 * @since 0.1.0
 */
export const Current: Context.Reference<Journal | undefined> = Context.Reference<Journal | undefined>(
  "@quiesce/testing/Journal",
  { defaultValue: () => undefined }
)

const note = (entry: Entry): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    fiber.getRef(Current)?.entries.push(entry)
    return Effect.void
  })

/**
 * Notes that something was acquired. Put it behind what acquires, where no cancel can fall in between.
 *
 * @category noting
 * @since 0.1.0
 */
export const acquired = (name: string): Effect.Effect<void> => note({ what: "acquired", name })

/**
 * Notes that something was released.
 *
 * @category noting
 * @since 0.1.0
 */
export const released = (name: string): Effect.Effect<void> => note({ what: "released", name })

/**
 * A resource of the current scope whose acquire and release are noted. Without options it is nothing but its notes, for
 * programs that only stand for real ones.
 *
 * *Cancellation*: as with `Effect.acquireRelease`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resource = <A = void, E = never, R = never>(
  name: string,
  options?: {
    readonly acquire: Effect.Effect<A, E, R>
    readonly release?: ((resource: A, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<unknown>) | undefined
  }
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.flatMap(Scope.Scope, (scope) =>
    Effect.withFiber((fiber) => {
      const entries = fiber.getRef(Current)?.entries
      // Without options there is nothing that it could give.
      const acquire = options?.acquire ?? (Effect.void as Effect.Effect<unknown> as Effect.Effect<A, E, R>)
      return Effect.acquireRelease(
        Effect.map(acquire, (value) => {
          entries?.push({ what: "acquired", name, scope, by: fiber })
          return value
        }),
        (value, exit) => {
          entries?.push({ what: "releasing", name, scope })
          return Effect.onExit(options?.release?.(value, exit) ?? Effect.void, (ended) =>
            Effect.sync(() => entries?.push({ what: ended._tag === "Success" ? "released" : "failed", name, scope }))
          )
        }
      )
    })
  )

/**
 * What is wrong with a journal when all has ended: what was not released, or more than once, or never acquired, or not
 * in reverse order within one scope.
 *
 * @category observing
 * @since 0.1.0
 */
export const problems = (self: Journal): ReadonlyArray<string> => {
  const out: Array<string> = []
  const held = new Map<string, Array<Entry>>()
  const stacks = new Map<object, Array<Entry>>()
  for (const entry of self.entries) {
    const { name, scope, what } = entry
    const same = held.get(name) ?? []
    if (what === "acquired") {
      held.set(name, [...same, entry])
      if (scope !== undefined) stacks.set(scope, [...(stacks.get(scope) ?? []), entry])
    } else if (what === "releasing") {
      const stack = stacks.get(scope!) ?? []
      const at = stack.findLastIndex((other) => other.name === name)
      if (at < 0) continue
      const [own] = stack.splice(at, 1)
      const later = stack.slice(at).findLast(({ by }) => by === own!.by)
      if (later !== undefined) out.push(`"${name}" was released before "${later.name}", which was acquired later`)
    } else if (same.length === 0) {
      out.push(`"${name}" was released without being held`)
    } else {
      held.set(name, same.slice(0, -1))
      if (what === "failed") out.push(`the release of "${name}" failed`)
      if (what === "lost") out.push(`"${name}" was lost`)
    }
  }
  for (const [name, left] of held) {
    if (left.length > 0)
      out.push(`"${name}" was acquired and not released${left.length > 1 ? `, ${left.length} times` : ""}`)
  }
  return out
}

/**
 * A journal, or the first `count` entries of it, as one line: `+` for acquired, `-` for released, `!` for a release that failed, `?` for what was lost.
 *
 * @category conversions
 * @since 0.1.0
 */
export const render = (self: Journal, count: number = self.entries.length): string =>
  count === 0
    ? "nothing was noted as acquired"
    : self.entries
        .slice(0, count)
        .flatMap(({ name, what }) => (what === "releasing" ? [] : [`${signs[what]}${name}`]))
        .join(" ")

const signs = { acquired: "+", released: "-", failed: "!", lost: "?" } as const
