/** Words for findings. */

/** A number with its noun, such as "1 fiber" or "2 fibers". */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`
