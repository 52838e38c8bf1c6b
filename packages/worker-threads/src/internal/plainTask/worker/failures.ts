/** The parts and the words of failures. A worker loads this module when one of its calls fails: see `onDemand.ts`. */
import { messageOf } from "@quiesce/core/internal/plainText"

export { messageOf }
export { thrown } from "../thrown.ts"

/**
 * Why a module is no task module. `failed` is undefined for a module that was loaded. A text that is neither a URL nor a
 * path from the root names no file of the caller.
 */
export const loadProblem = (url: string, failed: { readonly cause: unknown } | undefined): string => {
  if (failed === undefined) return "it has no default export that is a function"
  return URL.canParse(url) || url.startsWith("/")
    ? messageOf(failed.cause)
    : "it is a relative text, and a worker does not know the file that it is relative to"
}
