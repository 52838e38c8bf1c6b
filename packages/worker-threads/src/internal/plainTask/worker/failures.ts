/** The parts and the words of failures. A worker loads this module when one of its calls fails: see `onDemand.ts`. */
import { messageOf } from "@quiesce/core/internal/plainText"
import type { BadModule } from "../contract.ts"
import { thrown } from "../thrown.ts"

export { messageOf, thrown }

interface Emitted<F> {
  readonly default?: { readonly default?: F } | null
}

/**
 * The function in the default export of a CommonJS module that `tsc` has emitted, which is put into `loaded`. For any other
 * module without a function: what is wrong with the module. `failed` is undefined for a module that was loaded. A text that is neither a URL
 * nor a path from the root names no file of the caller.
 */
export const otherFunction = async <F>(
  url: string,
  failed: { readonly cause: unknown } | undefined,
  loaded: Map<string, F>,
  importUrl: (url: string) => Promise<unknown>
): Promise<F | BadModule> => {
  if (failed === undefined) {
    // The caller knows the types of input and result.
    const run = ((await importUrl(url)) as Emitted<F>).default?.default
    if (typeof run !== "function") return { _tag: "BadModule", problem: "it has no default export that is a function" }
    loaded.set(url, run)
    return run
  }
  return URL.canParse(url) || url.startsWith("/")
    ? { _tag: "BadModule", problem: messageOf(failed.cause), cause: thrown(failed.cause) }
    : {
        _tag: "BadModule",
        problem: "it is a relative text, and a worker does not know the file that it is relative to"
      }
}
