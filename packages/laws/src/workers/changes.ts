/** The changes that a run waits for: messages of the other side, and new tasks of the host. A change before a wait is lost. */
export class Changes {
  private notify: () => void = () => {}

  readonly wake = (): void => this.notify()

  /** Completes at the next change; false without a change within the given milliseconds. */
  next(silence: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (changed: boolean): void => {
        this.notify = () => {}
        clearTimeout(timer)
        resolve(changed)
      }
      const timer = setTimeout(() => done(false), silence)
      this.notify = () => done(true)
    })
  }
}
