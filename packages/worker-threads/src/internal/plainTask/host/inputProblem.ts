/** Looks for parts of a plain function's input that structured clone refuses, or turns into empty objects in silence. */

const depth = 4
const parts = 1000

/**
 * Why an input can't be sent, with the place of the part. Large inputs are looked at in part; Node refuses functions
 * anyway.
 */
export const inputProblem = (input: unknown): string | undefined => {
  const left: Array<{ readonly value: unknown; readonly path: string; readonly depth: number }> = [
    { value: input, path: "the input", depth }
  ]
  for (let count = 0; count < parts; count++) {
    const part = left.pop()
    if (part === undefined) return undefined
    const kind = kindOf(part.value)
    if (kind !== undefined) return `${part.path} is ${kind}`
    if (part.depth > 0) {
      for (const [key, value] of entriesOf(part.value)) {
        left.push({ value, path: `${part.path === "the input" ? "input" : part.path}.${key}`, depth: part.depth - 1 })
      }
    }
  }
  return undefined
}

const kindOf = (value: unknown): string | undefined => {
  if (typeof value === "function") return "a function"
  try {
    return value instanceof AbortSignal ? "an AbortSignal" : undefined
  } catch {
    // A proxy may throw. Structured clone refuses every proxy.
    return "a proxy that throws when it is looked at"
  }
}

/** The own properties of plain data. Getters are not called. */
const entriesOf = (value: unknown): ReadonlyArray<readonly [string, unknown]> => {
  if (typeof value !== "object" || value === null) return []
  try {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null && !Array.isArray(value)) return []
    return Object.keys(value)
      .slice(0, parts)
      .map((key) => [key, Object.getOwnPropertyDescriptor(value, key)?.value as unknown] as const)
  } catch {
    return []
  }
}
