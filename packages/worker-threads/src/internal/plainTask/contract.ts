/**
 * The data between a pool of plain functions and its workers, besides the messages of `wire`. Nothing here loads Effect.
 */

/** The one task of such a pool. */
export const task = "Run"

/** The name of a call without a name of its own: that of its module's file. */
export const nameOf = (url: string): string => {
  if (url.startsWith("data:")) return "data:"
  const path = url.split(/[?#]/, 1)[0]!
  return path.slice(path.lastIndexOf("/") + 1) || url
}

/** The arguments of a call. `reports`: whether the caller listens to the function's reports. */
export interface Call {
  readonly url: string
  readonly input: unknown
  readonly reports: boolean
}

export const isCall = (u: unknown): u is Call => {
  const call = Object(u) as Partial<Record<keyof Call, unknown>>
  return typeof call.url === "string" && typeof call.reports === "boolean" && "input" in call
}

/** The module can't be loaded, or has no function. `cause`: the parts of the error that its loading has thrown. */
export interface BadModule {
  readonly _tag: "BadModule"
  readonly problem: string
  readonly cause?: unknown
}

const isTagged = (u: unknown): u is { readonly _tag: unknown } => typeof u === "object" && u !== null && "_tag" in u

export const isBadModule = (u: unknown): u is BadModule =>
  isTagged(u) && u._tag === "BadModule" && "problem" in u && typeof u.problem === "string"
