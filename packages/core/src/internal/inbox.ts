/**
 * The errors raised into a thread and the regions of it that accept them.
 *
 * Invariants:
 * 1. A letter is open, or claimed by just one region, or was refused by the end of the thread. It is open again only if
 *    its region was interrupted as a whole before it could fail with the error.
 * 2. A region claims one letter at most. While it unwinds, letters that it would accept wait for it to be gone.
 * 3. Open letters are offered in the order in which they were raised, to the innermost region that accepts.
 */
export interface Letter {
  readonly error: unknown
  /** Told `true` when the region that claimed it has failed with it, `false` when the thread has ended; the first counts. */
  readonly answer: (delivered: boolean) => void
}

export interface Region {
  readonly accepts: (error: unknown) => boolean
  /** Ends the work of the region. Called once, when it claims. */
  readonly interrupt: () => void
  claimed: Letter | undefined
}

export class Inbox {
  /** Entered last is innermost. */
  private readonly regions: Array<Region> = []
  private letters: Array<Letter> = []
  private closed = false

  /** Raises. The result withdraws the letter while it is still open. */
  post(letter: Letter): () => void {
    if (this.closed) {
      letter.answer(false)
      return () => {}
    }
    this.letters.push(letter)
    this.deliver()
    return () => {
      this.letters = this.letters.filter((other) => other !== letter)
    }
  }

  enter(region: Region): void {
    this.regions.push(region)
    this.deliver()
  }

  /** `whole`: the region has not come to its own end, but was interrupted as a whole. */
  leave(region: Region, whole: boolean): void {
    this.regions.splice(this.regions.lastIndexOf(region), 1)
    if (whole && region.claimed !== undefined) this.letters.unshift(region.claimed)
    this.deliver()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    const letters = this.letters
    this.letters = []
    for (const letter of letters) letter.answer(false)
    // Only an abandoned thread still has regions.
    for (const region of this.regions) region.claimed?.answer(false)
  }

  private deliver(): void {
    if (this.letters.length === 0) return
    const open: Array<Letter> = []
    const claims: Array<Region> = []
    for (const letter of this.letters) {
      const region = this.regions.findLast((candidate) => candidate.accepts(letter.error))
      if (region === undefined || region.claimed !== undefined) {
        open.push(letter)
      } else {
        region.claimed = letter
        claims.push(region)
      }
    }
    this.letters = open
    // Interrupting runs finalizers at once, which may raise, enter and leave again.
    for (const region of claims) region.interrupt()
  }
}
