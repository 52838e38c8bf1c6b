/** Random numbers from a seed: the same seed gives the same numbers. */

/** Makes a generator of numbers from 0 (included) to 1 (excluded), by mulberry32. */
export const random = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** The same values in a random order by a seed. */
export const shuffled = <A>(values: ReadonlyArray<A>, seed: number): ReadonlyArray<A> => {
  const next = random(seed)
  const keyed = values.map((value) => ({ value, key: next() }))
  return keyed.toSorted((a, b) => a.key - b.key).map(({ value }) => value)
}

/** The steps at which to cancel a program of `steps` steps: all of them, or a sample of `most` steps by a seed. */
export const sampleSteps = (steps: number, most: number, seed: number): ReadonlyArray<number> => {
  if (steps <= most) return Array.from({ length: steps }, (_, index) => index + 1)
  const next = random(seed)
  const stride = steps / most
  return Array.from({ length: most }, (_, index) => 1 + Math.floor(index * stride + next() * stride))
}
