/** Loads the functions of task modules, each module once. */
import type { BadModule } from "../contract.ts"
import { importUrl } from "./importUrl.ts"
import type { Context } from "./plainContext.ts"

export type PlainFunction = (input: unknown, context: Context) => unknown

const loaded = new Map<string, PlainFunction>()

/** The function of a module that has been loaded. */
export const known = (url: string): PlainFunction | undefined => loaded.get(url)

/** The function of a module; otherwise what is wrong with the module. The words for it are loaded with the first problem. */
export const load = async (url: string): Promise<PlainFunction | BadModule> => {
  let failed: { readonly cause: unknown } | undefined
  try {
    // The caller knows the types of input and result.
    const { default: run } = (await importUrl(url)) as { readonly default?: PlainFunction }
    if (typeof run === "function") {
      loaded.set(url, run)
      return run
    }
  } catch (cause) {
    failed = { cause }
  }
  const { otherFunction } = await import("./failures.ts")
  return otherFunction(url, failed, loaded, importUrl)
}
