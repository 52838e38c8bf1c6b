/** The requests of the task in a slot, where they can be seen while no message is delivered. */
import * as ControlBlock from "./controlBlock.ts"

export class SharedFlags {
  private readonly control: ControlBlock.ControlBlock
  private readonly slot: number

  constructor(control: ControlBlock.ControlBlock, slot: number) {
    this.control = control
    this.slot = slot
  }

  get stopRequested(): boolean {
    return ControlBlock.flags(this.control, this.slot) !== 0
  }

  get interrupted(): boolean {
    return (ControlBlock.flags(this.control, this.slot) & ControlBlock.interruptFlag) !== 0
  }
}
