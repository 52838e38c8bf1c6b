/** The outbox of a host, some of whose messages must not wait for the end of the turn. */
import { Outbox } from "../wire/outbox.ts"

export class HostOutbox<M> extends Outbox<M> {
  /** The last of the messages that are not posted yet. */
  get last(): M | undefined {
    return this.queue.at(-1)
  }

  /**
   * Posts a message at once, unless the end of the turn posts others anyway. The urgent messages after it in the turn wait
   * for that.
   */
  putSoon(message: M): void {
    if (this.scheduled) return void this.queue.push(message)
    this.putNow(message)
    this.scheduled = true
    queueMicrotask(this.flush)
  }
}
