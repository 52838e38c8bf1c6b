/** How what was found is put into words. */

/** So many of something, as "1 fiber" or "2 fibers". */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`
