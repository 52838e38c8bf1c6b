/** The stop and interrupt requests for the task in a slot, visible while no message can be delivered. */
import * as ControlBlock from "../wire/controlBlock.ts"

export class SharedFlags {
  readonly #control: ControlBlock.ControlBlock
  readonly #slot: number
  readonly checks: Int32Array

  constructor(control: ControlBlock.ControlBlock, slot: number) {
    this.#control = control
    this.#slot = slot
    this.checks = ControlBlock.checks(control, slot)
  }

  get stopRequested(): boolean {
    return ControlBlock.flags(this.#control, this.#slot) !== 0
  }

  get interrupted(): boolean {
    return (ControlBlock.flags(this.#control, this.#slot) & ControlBlock.interruptFlag) !== 0
  }
}
