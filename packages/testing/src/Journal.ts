/**
 * A journal: the resources that a program under test acquired and released, in order.
 *
 * Leases of core are recorded automatically. Other resources need `resource`, or calls of `acquired` and `released`.
 * Outside a test these functions record nothing.
 *
 * Invariants:
 * 1. `entries` only grows, in the order of events.
 * 2. A resource is recorded as acquired in the step in which its acquire succeeds.
 *
 * @since 0.1.0
 */
import { readOr } from "@quiesce/core/internal"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { gotText } from "./internal/wording.ts"

/**
 * One entry. `scope` is the owner of the resource, if known.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly what: "acquired" | "releasing" | "released" | "failed" | "lost"
  readonly name: string
  readonly scope?: object | undefined
  /** The acquiring fiber. The order of two concurrent acquires is not defined. */
  readonly by?: object | undefined
}

/**
 * A journal in progress.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Journal {
  readonly entries: Array<Entry>
}

/**
 * Makes an empty journal.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Journal => ({ entries: [] })

/**
 * The journal of the current test, if any.
 *
 * @stability unstable
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
 * Records an acquire. Put the call after the acquire, in the same uninterruptible region.
 *
 * @stability unstable
 * @category noting
 * @since 0.1.0
 */
export const acquired = (name: string): Effect.Effect<void> => note({ what: "acquired", name })

/**
 * Records a release.
 *
 * @stability unstable
 * @category noting
 * @since 0.1.0
 */
export const released = (name: string): Effect.Effect<void> => note({ what: "released", name })

/**
 * A resource of the current scope with a recorded acquire and release. Without options only the records are made, for model
 * programs.
 *
 * *Cancellation*: as with `Effect.acquireRelease`.
 *
 * @stability unstable
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
      // Without options there is no resource to return.
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
 * The problems in a finished journal: resources without a release, released more than once, released without an acquire, or
 * not released in reverse order within one scope.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const problems = (self: Journal): ReadonlyArray<string> => {
  checkJournal("Journal.problems", self)
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
 * A journal, or its first `count` entries, as one line: `+` acquired, `-` released, `!` failed to release, `?` lost.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const render = (self: Journal, count?: number): string => {
  checkJournal("Journal.render", self)
  if (count === 0 || self.entries.length === 0) return "nothing was noted as acquired"
  return self.entries
    .slice(0, count)
    .flatMap(({ name, what }) => (what === "releasing" ? [] : [`${signs[what]}${name}`]))
    .join(" ")
}

const checkJournal = (of: string, given: unknown): void => {
  const isJournal = readOr(() => Array.isArray((given as Journal).entries), false)
  if (!isJournal) throw new TypeError(gotText(of, given, "a journal, which Journal.make() makes"))
}

const signs = { acquired: "+", released: "-", failed: "!", lost: "?" } as const
