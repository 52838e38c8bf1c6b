/**
 * A part of this package that is loaded at its first use. Nothing here loads Effect.
 *
 * A bundler that puts the part into the same file as its user, such as Rollup with `inlineDynamicImports`, may put it behind
 * the program. If a top-level await of the program then uses the part, the part does not exist yet.
 */

/** Throws if the part does not exist yet. */
export const laterPart = async <Part extends object>(loading: Promise<Part | undefined>): Promise<Part> => {
  const part = await loading
  if (part === undefined) throw new Error(tooEarly)
  return part
}

const tooEarly =
  "The code of @quiesce/worker-threads that this call needs comes later in the same file of the bundle, behind the top-level await that waits for the call. Call it in a function that the program does not await at its top level, or let the bundler write chunks (Rollup: inlineDynamicImports: false)."
