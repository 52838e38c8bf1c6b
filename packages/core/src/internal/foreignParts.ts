/** The kind of any value, and the number of its parts. No function here throws, whatever the value is. */

export const isObject = (u: unknown): u is object => (typeof u === "object" && u !== null) || typeof u === "function"

/** An error of another realm is no instance of this realm's class. */
export const isError = (u: unknown): u is Readonly<Record<"name" | "message" | "stack", unknown>> => {
  try {
    return u instanceof Error || Object.prototype.toString.call(u) === "[object Error]"
  } catch {
    return false
  }
}

/**
 * Whether a value has at most so many parts and levels. A part that is shared by several others counts each time, so
 * that code which visits all parts of the value ends soon. False if the value can't be read.
 */
export const hasAtMost = (u: unknown, parts: number, depth: number): boolean => {
  let left = parts
  const walk = (part: object, depth: number): boolean => {
    // The keys of a long array or of many bytes would take seconds to list. Most other objects have no length.
    if (depth === 0 || (part as ArrayLike<unknown>).length > left) return false
    for (const key of isError(part) ? [...Object.keys(part), "cause", "errors"] : Object.keys(part)) {
      if (--left < 0) return false
      const value: unknown = Object.getOwnPropertyDescriptor(part, key)?.value
      if (isObject(value) && !walk(value, depth - 1)) return false
    }
    return true
  }
  try {
    return !isObject(u) || walk(u, depth)
  } catch {
    return false
  }
}
