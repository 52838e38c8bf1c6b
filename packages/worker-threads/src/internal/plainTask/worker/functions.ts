/** Loads the functions of task modules, each module once. */
import type { Context } from "./plainContext.ts"

export type PlainFunction = (input: unknown, context: Context) => unknown

export type Loaded =
  | { readonly _tag: "Loaded"; readonly run: PlainFunction }
  | { readonly _tag: "Bad"; readonly problem: string }

const loaded = new Map<string, PlainFunction>()

/** The function of a module that has been loaded. */
export const known = (url: string): PlainFunction | undefined => loaded.get(url)

export const load = async (url: string): Promise<Loaded> => {
  try {
    // The import would look beside this file.
    if (url.startsWith(".")) throw new TypeError(url)
    const module = (await import(url)) as { readonly default?: unknown }
    if (typeof module.default !== "function") return bad("it has no default export that is a function")
    // The caller knows the types of input and result.
    const run = module.default as PlainFunction
    loaded.set(url, run)
    return { _tag: "Loaded", run }
  } catch (cause) {
    const { loadProblem } = await import("./failures.ts")
    return bad(loadProblem(url, cause))
  }
}

const bad = (problem: string): Loaded => ({ _tag: "Bad", problem })
