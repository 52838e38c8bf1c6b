/**
 * Values that hide their content, by the protocol of `effect/Redactable`. That module is not imported, because a worker of
 * plain functions loads no part of Effect.
 */
const redactable: unique symbol = Symbol.for("~effect/Redactable")

interface Redactable {
  readonly [redactable]: (context: unknown) => unknown
}

export const isRedactable = (u: object): u is Redactable => redactable in u

/** The shown part of a value. Outside a fiber, the value gets an empty context. */
export const redacted = (u: Redactable): unknown => u[redactable](currentContext() ?? emptyContext)

const currentContext = (): unknown =>
  (globalThis as { readonly "~effect/Fiber/currentFiber"?: { readonly context: unknown } | undefined })[
    "~effect/Fiber/currentFiber"
  ]?.context

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
