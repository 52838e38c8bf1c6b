/**
 * Values that hide their content, by the protocol of `effect/Redactable`. That module is not imported, because a worker of
 * plain functions loads no part of Effect. So two private parts of Effect are here and not in `effectInternals.ts`: the key
 * of the running fiber, and the fields of an empty context. A test compares both with Effect's own.
 */

/** The property of `globalThis` by which Effect names the running fiber. */
export const currentFiberKey = "~effect/Fiber/currentFiber"

const redactable: unique symbol = Symbol.for("~effect/Redactable")

interface Redactable {
  readonly [redactable]: (context: unknown) => unknown
}

export const isRedactable = (u: object): u is Redactable => redactable in u

interface Running {
  readonly [currentFiberKey]?: { readonly context: unknown } | undefined
}

/** The shown part of a value. Outside a fiber, the value gets an empty context. */
export const redacted = (u: Redactable): unknown =>
  u[redactable]((globalThis as Running)[currentFiberKey]?.context ?? emptyContext)

const empty = /* @__PURE__ */ new Map<string, unknown>()

/** The fields of an empty context. */
const emptyContext = {
  "~effect/Context": {},
  base: empty,
  depth: 0,
  mapUnsafe: empty,
  pipe(...steps: ReadonlyArray<(u: unknown) => unknown>): unknown {
    return steps.reduce((u, step) => step(u), this as unknown)
  }
}
