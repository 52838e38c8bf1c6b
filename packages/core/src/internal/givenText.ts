/**
 * A short text of a wrong argument, for the messages of misuse: plain data as in source code, otherwise the kind of the
 * value. Never throws.
 *
 * `foreignText.ts` shows all parts of a value, and would be a twentieth of a program with threads and leases in a bundle.
 */
const maxText = 100

export const givenText = (u: unknown): string => {
  if (typeof u === "string") return JSON.stringify(u.length > maxText ? `${u.slice(0, maxText)} ...` : u)
  // A bigint of more than 64 bits can take long to print.
  if (typeof u === "bigint") return u === BigInt.asIntN(64, u) ? `${u}n` : "a large bigint"
  if ((typeof u === "object" && u !== null) || typeof u === "function") return kindOf(u)
  return String(u)
}

const kindOf = (u: object): string => {
  try {
    const { name } = u.constructor
    if (name === "Object") return `the object {${Object.keys(u).slice(0, 5).join(", ").slice(0, maxText)}}`
    return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name.slice(0, maxText)}`
  } catch {
    return "an object that can't be read"
  }
}
